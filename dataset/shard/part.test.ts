import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sha256 } from '../../contract/digest.ts';
import { chainParts, decodePart, encodePart, type StoredPart } from './part.ts';
import { tarMember } from './tar.ts';

const part = (start: number, end: number): StoredPart => ({ key: `${start}-${end}`, start, end });

test('without stored parts everything is missing, cut at multiples of the size from the start of the shard', () => {
  assert.deepEqual(chainParts([], { start: 100, end: 110 }, 4), {
    parts: [],
    missing: [
      { start: 100, end: 104 },
      { start: 104, end: 108 },
      { start: 108, end: 110 },
    ],
  });
});

test('parts of another size are used as they are', () => {
  const stored = [part(0, 3), part(3, 6), part(8, 12)];
  const { parts, missing } = chainParts(stored, { start: 0, end: 12 }, 4);
  assert.deepEqual(parts, stored);
  assert.deepEqual(missing, [{ start: 6, end: 8 }]);
});

test('whatever parts are stored, chosen and missing ranges cover the shard exactly once, in order', () => {
  const ranges = fc
    .tuple(fc.nat(30), fc.integer({ min: 1, max: 12 }))
    .map(([start, length]) => part(start, start + length));
  fc.assert(
    fc.property(fc.array(ranges, { maxLength: 20 }), fc.integer({ min: 1, max: 9 }), (stored, size) => {
      const { parts, missing } = chainParts(stored, { start: 0, end: 30 }, size);
      const covered = [...parts, ...missing].sort((a, b) => a.start - b.start);
      let at = 0;
      for (const { start, end } of covered) {
        assert.equal(start, at);
        at = end;
      }
      assert.equal(at, 30);
      for (const { start, end } of missing) assert.ok(end - start <= size);
    }),
  );
});

test('a part gives back its record and the very bytes of its members', () => {
  const record = { planDigest: 'a'.repeat(64), start: 0, end: 2, provider: 'cpu', cells: [], exhausted: [] };
  const members = [tarMember('000000000.txt', Buffer.from('one')), tarMember('000000001.txt', Buffer.from('two'))];
  const decoded = decodePart(Buffer.concat(encodePart(record, members)));
  assert.deepEqual(decoded.record, { ...record, members: sha256(...members) });
  assert.deepEqual(Buffer.from(decoded.members), Buffer.concat(members));
});

test('a part without accepted samples has no members', () => {
  const record = { planDigest: 'a'.repeat(64), start: 0, end: 1, provider: 'cpu', cells: [], exhausted: [0] };
  assert.equal(decodePart(Buffer.concat(encodePart(record, []))).members.length, 0);
});
