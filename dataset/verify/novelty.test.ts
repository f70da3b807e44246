import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { makePlan } from '../../contract/plan/plan.ts';
import { cosineDistance } from '../../platform/cosine.ts';
import { openStore } from '../../platform/store/store.ts';
import { drawFeatures, drawingContext, RUN, smallDataset } from '../../test/support/dataset.ts';
import type { ImageRequest, Verdicts } from '../../worker/engine/messages.ts';
import { runShard } from '../../worker/run-shard.ts';
import { publish } from '../publish/publish.ts';
import { heldOutQuantile, readReference } from '../reference.ts';
import { readShardSamples } from '../shard/read.ts';
import { writeReference } from '../write-reference.ts';
import { verify } from './verify.ts';

/** Distances to training images and thresholds that were made up are found, where the reference is given. */

const DIGESTS = { encoder: 'e'.repeat(64), reference: 'f'.repeat(64) };
const QUANTILE = 0.05;

const dataset = smallDataset((spec) => {
  spec.quality = {
    maxAttempts: 8,
    encoder: { modelUri: 'unused' },
    reference: { uri: 'unused' },
    gates: [{ name: 'copies', type: 'Novelty', against: 'Training', quantile: QUANTILE }],
  };
});

async function folderOf(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-novelty-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

const seeds = Array.from({ length: 60 }, (_, i) => 4 * i + 1);
const imageOf = (seed: number): string => sha256(`image ${seed}`);
const isTraining = (i: number): boolean => i < 40;

async function referenceFolder(t: TestContext): Promise<string> {
  const dir = await folderOf(t);
  const images = seeds.map((seed, i) => ({
    split: isTraining(i) ? ('training' as const) : ('heldOut' as const),
    image: imageOf(seed),
    patient: sha256(`patient ${seed}`),
    groups: {},
    vector: drawFeatures(seed),
  }));
  await writeReference(openStore(dir), { encoder: { name: 'e', sha256: DIGESTS.encoder }, axes: [], images });
  return dir;
}

interface Lies {
  /** In place of the honest verdict on the first image that passes. */
  readonly verdict?: Partial<Verdicts[string]>;
  readonly threshold?: number;
  /** Names the farthest training image as the nearest. */
  readonly isFarthest?: boolean;
}

/** Grows a dataset whose worker lies, and verifies it without the reference and with it. */
async function faultsOf(t: TestContext, { verdict, threshold: stated, isFarthest = false }: Lies = {}) {
  const referenceDir = await referenceFolder(t);
  const reference = await readReference(referenceDir);
  const threshold = stated ?? heldOutQuantile(reference, QUANTILE);
  const plan = makePlan(dataset, {
    model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height: 64, width: 64 } },
    gateDigests: ['b'.repeat(64)],
    encoderDigest: DIGESTS.encoder,
    reference: { digest: DIGESTS.reference, quantile: () => threshold },
  });
  const training = seeds.filter((_, i) => isTraining(i));
  let hasLied = verdict === undefined && !isFarthest;
  const judge = ({ seed }: ImageRequest): Verdicts => {
    const distances = training.map((other) => cosineDistance(drawFeatures(seed), drawFeatures(other)));
    const score = Math.min(...distances);
    const honest = { score, passed: score >= threshold, nearest: imageOf(training[distances.indexOf(score)]!) };
    if (hasLied || !honest.passed) return { copies: honest };
    hasLied = true;
    const farthest = imageOf(training[distances.indexOf(Math.max(...distances))]!);
    return { copies: { ...honest, ...verdict, ...(isFarthest && { nearest: farthest }) } };
  };
  const store = openStore(await folderOf(t));
  const context = drawingContext(plan, store, { judge: async (_images, batch) => batch.map(judge) });
  for (let shard = 0; shard < plan.shards; shard++) await runShard(context, shard);
  const manifest = await publish({ plan, dataset, ...RUN, store, version: '0.0.0', referenceDir });
  const given = { sha256: DIGESTS.reference, reference };
  const messages = async (one: typeof given | null) =>
    (await verify(store, undefined, undefined, one)).faults.map(({ object, message }) => `${object}: ${message}`);
  return { blind: await messages(null), seeing: await messages(given), threshold, store, manifest };
}

test('an honest gate against training images verifies with the reference and without', async (t) => {
  const { blind, seeing } = await faultsOf(t);
  assert.deepEqual([blind, seeing], [[], []]);
});

test('the evidence says how many images the gate refused, and how near they were', async (t) => {
  const { store, manifest, threshold } = await faultsOf(t);
  const [found] = manifest.evidence!.refused!;
  assert.deepEqual([found!.gate, found!.against], ['copies', 'Training']);
  const records = (await Promise.all(manifest.shards.map(async ({ key }) => readShardSamples((await store.get(key))!))))
    .flat()
    .map(({ record }) => record);
  for (const { group, refused, ofRefused, ofOthers, ofAccepted } of found!.groups) {
    const mine = records.filter(({ axes }) => Object.entries(group).every(([axis, value]) => axes[axis] === value));
    const distances = mine
      .flatMap(({ rejected }) => rejected.map(({ scores }) => scores.copies!))
      .sort((a, b) => a - b);
    assert.deepEqual([refused, ofRefused.images, ofOthers.images], [distances.length, distances.length, 0]);
    assert.equal(ofAccepted.images, mine.length);
    if (distances.length > 0) assert.equal(ofRefused.distances!.smallest, Number(distances[0]!.toPrecision(6)));
    assert.ok((ofRefused.distances?.median ?? 0) < threshold && ofAccepted.distances!.smallest >= threshold - 1e-6);
  }
  assert.ok(found!.groups[0]!.refused > 0, 'some are refused');
  const forged = structuredClone(manifest);
  forged.evidence!.refused![0]!.groups[0]!.refused--;
  const contentType = 'application/json';
  await store.replace('dataset.json', Buffer.from(canonicalJson(forged)), { contentType });
  const { faults } = await verify(store);
  assert.deepEqual(
    faults.map(({ message }) => message),
    ['evidence.refused is not what the features give'],
  );
});

test('evidence that was published before it said what gates refused verifies', async (t) => {
  const { store, manifest } = await faultsOf(t);
  const { refused: _, ...before } = manifest.evidence!;
  const former = Buffer.from(canonicalJson({ ...manifest, evidence: before }));
  await store.replace('dataset.json', former, { contentType: 'application/json' });
  assert.deepEqual((await verify(store)).faults, []);
});

test('a distance that was made up is found with the reference', async (t) => {
  const { blind, seeing } = await faultsOf(t, { verdict: { score: 1.5 } });
  assert.deepEqual(blind, []);
  assert.equal(seeing.length, 1);
  assert.match(
    seeing[0]!,
    /^features\/small-000000.npy: sample \d{9}: gate copies says a distance of 1.5 from the nearest training image, the features [\d.]+$/,
  );
});

test('a training image that is none is found with the reference', async (t) => {
  const heldOut = imageOf(seeds[50]!);
  const { blind, seeing } = await faultsOf(t, { verdict: { nearest: heldOut } });
  assert.deepEqual(blind, []);
  assert.match(
    seeing.join('\n'),
    new RegExp(`^features/small-000000.npy: sample \\d{9}: gate copies names ${heldOut} as`),
  );
});

test('a training image that is not the nearest is found with the reference', async (t) => {
  const { blind, seeing } = await faultsOf(t, { isFarthest: true });
  assert.deepEqual(blind, []);
  assert.equal(seeing.length, 1);
  assert.match(
    seeing[0]!,
    /sample \d{9}: gate copies names [0-9a-f]{64} as the nearest training image, the reference [0-9a-f]{64}$/,
  );
});

test('a threshold that is not the quantile of the reference is found', async (t) => {
  const { blind, seeing } = await faultsOf(t, { threshold: 1e-6 });
  assert.deepEqual(blind, []);
  assert.match(
    seeing.join('\n'),
    /^dataset.json: plan says a threshold of 0.000001 for gate copies, the reference a 0.05 quantile of 0\.\d+$/,
  );
});
