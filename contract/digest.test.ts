import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, digestOf, digestOfLines, sha256 } from './digest.ts';

test('by hand: keys are sorted by code unit, nothing is spaced', () => {
  assert.equal(
    canonicalJson({ b: [1, 'x', null, true], a: { z: -0, é: 0.1, Z: 1e21 } }),
    '{"a":{"Z":1e+21,"z":0,"é":0.1},"b":[1,"x",null,true]}',
  );
  assert.equal(canonicalJson({ kept: 1, left: undefined }), '{"kept":1}');
});

test('by hand: the digest of the empty map is that of its two bytes', () => {
  assert.equal(digestOf({}), '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
  assert.equal(sha256('{', new Uint8Array([0x7d])), digestOf({}));
});

test('what is read back is the same value with the same digest', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const back = JSON.parse(canonicalJson(value));
      assert.deepEqual(back, JSON.parse(JSON.stringify(value)));
      assert.equal(canonicalJson(back), canonicalJson(value));
    }),
  );
});

test('the order in which keys were added does not matter, that of lists does', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (map) => {
      assert.equal(digestOf(Object.fromEntries(Object.entries(map).toReversed())), digestOf(map));
    }),
  );
  assert.notEqual(digestOf([1, 2]), digestOf([2, 1]));
});

test('by hand: the digest of lines is that of their text', () => {
  assert.equal(digestOfLines([{ b: 1, a: 2 }, 'x']), sha256('{"a":2,"b":1}\n"x"\n'));
  assert.equal(digestOfLines([]), sha256(''));
});

test('what JSON cannot hold is refused, not passed over', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, undefined, 1n, () => 1, Symbol('s')]) {
    assert.throws(() => canonicalJson(value), TypeError);
    assert.throws(() => canonicalJson([value]), TypeError);
  }
  for (const value of [new Date(0), new Map(), new Uint8Array(1)])
    assert.throws(() => canonicalJson({ value }), TypeError);
});

test('H3: an object of more than 2 GiB has a digest', () => {
  const piece = Buffer.alloc(2 ** 20, 7);
  const expected = createHash('sha256');
  for (let mib = 0; mib < 2049; mib++) expected.update(piece);
  assert.equal(sha256(Buffer.alloc(2049 * 2 ** 20, 7)), expected.digest('hex'));
});
