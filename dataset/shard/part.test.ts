import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chainParts, decodePart, encodePart, type StoredPart } from './part.ts';
import { TAR_END, tarMember } from './tar.ts';

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

test('whatever is stored, as many samples as possible are taken from it', () => {
  const stored = [part(0, 64), part(64, 128), part(128, 192), part(0, 100)];
  // The longest first part has no continuation; the others are a whole cover.
  assert.deepEqual(chainParts(stored, { start: 0, end: 192 }, 64), { parts: stored.slice(0, 3), missing: [] });
  const ranges = fc
    .tuple(fc.nat(11), fc.integer({ min: 1, max: 6 }))
    .map(([start, length]) => part(start, start + length));
  /** By trying every choice. */
  const most = (parts: readonly StoredPart[], at: number): number =>
    Math.max(
      0,
      ...parts
        .filter(({ start, end }) => start >= at && end <= 12)
        .map(({ start, end }) => end - start + most(parts, end)),
    );
  fc.assert(
    fc.property(fc.array(ranges, { maxLength: 8 }), (stored) => {
      const { parts } = chainParts(stored, { start: 0, end: 12 }, 4);
      const covered = parts.reduce((sum, { start, end }) => sum + end - start, 0);
      assert.equal(covered, most(stored, 0));
    }),
  );
});

test('a part gives back its record and the very bytes of its members', () => {
  const record = { planDigest: 'a'.repeat(64), start: 0, end: 2, provider: 'cpu', cells: [], exhausted: [] };
  const members = [tarMember('000000000.txt', Buffer.from('one')), tarMember('000000001.txt', Buffer.from('two'))];
  const decoded = decodePart(Buffer.concat(encodePart(record, members)));
  assert.deepEqual(decoded.record, record);
  assert.deepEqual(Buffer.from(decoded.members), Buffer.concat(members));
});

test('M2: a part with any one byte changed, its own record included, is refused or reads as it was', () => {
  const cells = [{ cell: 'sex=male', wanted: 2, accepted: 1, exhausted: 1, attempts: 9, rejected: { sex: 8 } }];
  const record = { planDigest: 'a'.repeat(64), start: 0, end: 2, provider: 'cpu', cells, exhausted: [1] };
  const bytes = Buffer.concat(encodePart(record, [tarMember('000000000.txt', Buffer.from('one'))]));
  const sound = decodePart(bytes);
  let refused = 0;
  for (const bit of [1, 4, 0x20]) {
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= bit;
      try {
        assert.deepEqual(decodePart(damaged), sound, `byte ${at}`);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        refused++;
      }
    }
  }
  assert.ok(refused > bytes.length, `${refused} of ${3 * bytes.length} are refused; the others are padding`);
});

test('a part of a former version, without a digest, is read as it is', () => {
  const record = { planDigest: 'a'.repeat(64), start: 0, end: 1, provider: 'cpu', cells: [], exhausted: [0] };
  const former = Buffer.concat([tarMember('_part.json', Buffer.from(JSON.stringify(record))), TAR_END]);
  assert.deepEqual(decodePart(former).record, record);
});

test('a part without accepted samples has no members', () => {
  const record = { planDigest: 'a'.repeat(64), start: 0, end: 1, provider: 'cpu', cells: [], exhausted: [0] };
  assert.equal(decodePart(Buffer.concat(encodePart(record, []))).members.length, 0);
});
