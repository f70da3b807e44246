import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sampleKey } from '../../contract/names.ts';
import { listMembers, TAR_END, tarMember } from '../shard/tar.ts';
import { seekSample } from './seek.ts';

/** A tar of samples with images of the given sizes; null for a sample that is missing. */
function archiveOf(start: number, sizes: readonly (number | null)[]): Buffer {
  const members = sizes.flatMap((size, i) => {
    if (size === null) return [];
    const key = sampleKey(start + i);
    return [
      tarMember(`${key}.jpg`, new Uint8Array(size).fill(i)),
      tarMember(`${key}.txt`, Buffer.from('prompt')),
      tarMember(`${key}.json`, Buffer.from(JSON.stringify({ index: start + i }))),
    ];
  });
  return Buffer.concat([...members, TAR_END]);
}

const sizeArb = fc.option(fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 400_000 })));

test('every sample is found where it is, and one that is missing is not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1000), fc.array(sizeArb, { minLength: 1, maxLength: 40 }), async (start, sizes) => {
      const bytes = archiveOf(start, sizes);
      const members = new Map(listMembers(bytes).map(({ name, ...extent }) => [name, extent]));
      const archive = { bytes: bytes.length, start, end: start + sizes.length };
      for (const [i, size] of sizes.entries()) {
        const place = await seekSample(async (range) => bytes.subarray(range.start, range.end), archive, start + i);
        const key = sampleKey(start + i);
        const expected = { image: members.get(`${key}.jpg`), json: members.get(`${key}.json`) };
        assert.deepEqual(place, size === null ? null : expected);
      }
    }),
    { numRuns: 60 },
  );
});

test('a look or two suffice in a shard of images of about one size', async () => {
  const sizes = Array.from({ length: 1000 }, (_, i) => 30_000 + ((i * 7919) % 20_000));
  const bytes = archiveOf(5000, sizes);
  const archive = { bytes: bytes.length, start: 5000, end: 6000 };
  let [reads, read] = [0, 0];
  for (let index = 5000; index < 6000; index += 17) {
    await seekSample(
      async ({ start, end }) => {
        reads++;
        read += end - start;
        return bytes.subarray(start, end);
      },
      archive,
      index,
    );
  }
  const samples = Math.ceil(1000 / 17);
  assert.ok(reads / samples <= 4, `${reads / samples} reads for a sample`);
  assert.ok(read / samples < 500_000, `${read / samples} of ${bytes.length} bytes for a sample`);
});

test('bytes that are no tar end the search', async () => {
  const noise = Buffer.alloc(3_000_000, 'ustar');
  const place = await seekSample(
    async ({ start, end }) => noise.subarray(start, end),
    { bytes: noise.length, start: 0, end: 10 },
    4,
  );
  assert.equal(place, null);
});
