import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { totals } from '../../contract/account/tally.ts';
import { objects } from '../../contract/names.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import { openStore } from '../../platform/store/store.ts';
import { growDataset, growShards, readersDataset } from '../../test/readers/fixture.ts';
import { RUN } from '../../test/support/dataset.ts';
import { claim } from '../claim.ts';
import { contentOf, readShardSamples } from '../shard/read.ts';
import { followSource, openSource } from './open.ts';
import { readSample } from './sample.ts';
import type { Located, Source } from './source.ts';

/** The same dataset, published and halfway, with samples whose every attempt was refused. */

const dataset = readersDataset('jpeg', 300);
let dir: string;
let plan: Plan;
/** JSON of every sample that the shards hold, by index, and their images. */
const truth = new Map<number, { record: unknown; image: Uint8Array }>();

const storeAt = (name: string) => openStore(join(dir, name));

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  const store = storeAt('published');
  ({ plan } = await growDataset(store, dataset));
  for (let shard = 0; shard < plan.shards; shard++) {
    const bytes = (await store.get(objects.shard(plan.name, shard)))!;
    for (const sample of readShardSamples(bytes))
      truth.set(sample.record.index, { record: sample.record, image: contentOf(bytes, sample.image) });
  }
});
after(() => rm(dir, { recursive: true, force: true }));

async function contentAt(name: string, source: Source, index: number): Promise<unknown> {
  const located: Located = await source.locate(index);
  if (located.state !== 'stored') return located.state;
  const { record, image } = await readSample(storeAt(name), located.object, located.place, index);
  return { record, image: Buffer.from(image) };
}

const expected = (index: number): unknown => {
  const known = truth.get(index);
  return known ? { record: known.record, image: Buffer.from(known.image) } : 'exhausted';
};

test('every sample of a published dataset is read from where it is, and exhausted ones are known', async () => {
  assert.ok(truth.size < plan.samples, 'some samples were exhausted');
  const source = await openSource(storeAt('published'), Date.now);
  assert.equal(source.state, 'published');
  for (let index = 0; index < plan.samples; index++)
    assert.deepEqual(await contentAt('published', source, index), expected(index));
  const { tallies } = await source.counts();
  assert.equal(totals(tallies).accepted, truth.size);
});

test('a growing dataset shows what is committed, and the parts of what is not', async () => {
  const store = storeAt('running');
  await claim(store, plan, RUN);
  const size = plan.spec.output.shard.samples;
  await growShards(store, plan, [0, 2]);
  // Shard 1 is stopped after some parts.
  await growShards(store, plan, [1], { partsOf: 3 });
  const source = await openSource(store, Date.now);
  assert.equal(source.state, 'running');
  const states = new Map<number, unknown>();
  for (let index = 0; index < plan.samples; index++) {
    const content = await contentAt('running', source, index);
    states.set(index, content);
    if (content !== 'pending') assert.deepEqual(content, expected(index));
  }
  const made = [...states].filter(([, content]) => content !== 'pending').map(([index]) => index);
  const ofShard = (shard: number): number => made.filter((index) => Math.floor(index / size) === shard).length;
  assert.equal(ofShard(0), size);
  assert.ok(ofShard(1) > 0 && ofShard(1) < size, `${ofShard(1)} of shard 1`);
  assert.equal(ofShard(2), size);
  assert.equal(made.filter((index) => index >= 3 * size).length, 0);
  const { tallies, committed } = await source.counts();
  assert.equal(committed, 2);
  assert.equal(totals(tallies).wanted, made.length, 'the tallies count what can be seen');
});

test('a growing dataset that is published is opened again', async () => {
  const store = storeAt('followed');
  await claim(store, plan, RUN);
  let clock = 0;
  const now = (): number => clock;
  const source = followSource(store, await openSource(store, now), now);
  assert.equal((await source()).state, 'running');
  await growDataset(store, dataset);
  clock = 10_000;
  assert.equal((await source()).state, 'published');
});

test('a place without a dataset says what was looked for', async () => {
  await assert.rejects(openSource(storeAt('nothing'), Date.now), /holds no dataset: neither dataset\.json/);
});

test('an index that points elsewhere is found out', async () => {
  const store = storeAt('published');
  const source = await openSource(store, Date.now);
  const index = [...truth.keys()][3]!;
  const located = await source.locate(index);
  assert.ok(located.state === 'stored');
  const { object, place } = located;
  await assert.rejects(
    readSample(store, object, place, index + 1),
    /holds sample \d+ at bytes .* run cohortfarm verify/,
  );
  const beyond = { image: { offset: 0, size: 1e12 }, json: { offset: 2e12, size: 10 } };
  await assert.rejects(readSample(store, object, beyond, index), /no possible place/);
  const shifted = { image: place.image, json: { ...place.json, offset: place.json.offset + 9 } };
  await assert.rejects(readSample(store, object, shifted, index), /record that is not valid JSON/);
  await assert.rejects(readSample(store, 'shards/other.tar', place, index), /is missing/);
});

test('an index that is cut off or no Parquet file is named', async () => {
  for (const content of ['', 'PAR1', 'x'.repeat(100)]) {
    const path = join(dir, 'published', objects.index);
    const whole = await readFile(path);
    await writeFile(path, content);
    const source = await openSource(storeAt('published'), Date.now);
    await assert.rejects(source.locate(0), /index\.parquet/);
    await writeFile(path, whole);
  }
});
