import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import fc from 'fast-check';
import { compareKeys, isValidKey } from './keys.ts';

const anyKey = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom('a', '.', '..', '', 'b.tar', '\0', '~', '\ud83d'), { maxLength: 6 })
    .map((parts) => parts.join('/')),
);

it('a valid key names a path of its own below the root', () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      fc.pre(isValidKey(key));
      assert.equal(join('/root', key), `/root/${key}`);
    }),
  );
});

it('keys are ordered by their UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
      assert.equal(Math.sign(compareKeys(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
  assert.ok(compareKeys('\uffee', '😀') < 0);
});
