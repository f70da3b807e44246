import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import { makePlan, type Plan } from '../../contract/plan/plan.ts';
import type { Evidence } from '../../contract/schema/evidence.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { drawFeatures, drawingContext, RUN, smallDataset } from '../../test/support/dataset.ts';
import { inventedEvidence } from '../../test/support/evidence.ts';
import { growSmall } from '../../test/support/grown.ts';
import { runShard } from '../../worker/run-shard.ts';
import { publish } from '../publish/publish.ts';
import { readReference } from '../reference.ts';
import { writeReference } from '../write-reference.ts';
import { verify } from './verify.ts';

/** Evidence is computed when a dataset is published, and again when it is verified. */

const DIGESTS = { encoder: 'e'.repeat(64), reference: 'f'.repeat(64) };

async function folderOf(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-evidence-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

interface Grown {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  readonly evidence: Evidence;
  readonly referenceDir: string;
}

const dataset = smallDataset((spec) => {
  spec.quota.samples = 120;
  spec.quality = {
    ...spec.quality,
    encoder: { modelUri: 'unused' },
    reference: { uri: 'unused' },
  };
});

async function grown(t: TestContext): Promise<Grown> {
  const referenceDir = await folderOf(t);
  const images = Array.from({ length: 140 }, (_, i) => ({
    split: i < 70 ? ('training' as const) : ('heldOut' as const),
    image: sha256(`image ${i}`),
    patient: sha256(`patient ${i}`),
    groups: { sex: i % 2 ? 'male' : 'female' },
    vector: drawFeatures(4 * i + 1),
  }));
  await writeReference(openStore(referenceDir), {
    encoder: { name: 'e', sha256: DIGESTS.encoder },
    axes: ['sex'],
    images,
  });
  const { width, height } = { width: 16, height: 16 };
  const plan: Plan = makePlan(dataset, {
    model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height, width } },
    gateDigests: dataset.spec.quality.gates.map(() => 'b'.repeat(64)),
    encoderDigest: DIGESTS.encoder,
    reference: { digest: DIGESTS.reference, quantile: () => 0 },
  });
  const store = openStore(await folderOf(t));
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  const manifest = await publish({ plan, dataset, ...RUN, store, version: '0.0.0', referenceDir });
  return { store, manifest, evidence: manifest.evidence!, referenceDir };
}

async function givenReference(dir: string) {
  return { sha256: DIGESTS.reference, reference: await readReference(dir) };
}

async function messagesOf({ store, manifest }: Grown, change: (evidence: Evidence) => void, dir?: string) {
  const evidence = structuredClone(manifest.evidence!);
  change(evidence);
  const forged = Buffer.from(canonicalJson({ ...manifest, evidence }));
  await store.replace(objects.manifest, forged, { contentType: CONTENT_TYPES.json });
  const given = dir === undefined ? null : await givenReference(dir);
  return (await verify(store, undefined, undefined, given)).faults.map(
    ({ object, message }) => `${object}: ${message}`,
  );
}

test('what publishing says of the images is computed again by verify', async (t) => {
  const found = await grown(t);
  const { evidence, referenceDir } = found;
  assert.deepEqual(evidence.encoder, { sha256: DIGESTS.encoder, dimensions: 6 });
  assert.deepEqual(evidence.reference, { sha256: DIGESTS.reference, training: 70, heldOut: 70 });
  const [all] = evidence.groups;
  assert.deepEqual([all!.images, all!.used, all!.fidelity!.real], [120, 120, 70]);
  assert.deepEqual(await messagesOf(found, () => {}), []);
  assert.deepEqual(await messagesOf(found, () => {}, referenceDir), []);

  const changes: readonly (readonly [string, (evidence: Evidence) => void])[] = [
    [
      'groups',
      ({ groups }) => {
        groups[0]!.diversity.vendi += 0.01;
      },
    ],
    ['groups', ({ groups }) => void groups.pop()],
    ['limits', ({ limits }) => void limits.minimum--],
    ['leftOut', ({ leftOut }) => void leftOut.push({ group: {}, part: 'cells', reason: 'none' })],
    ['encoder', ({ encoder }) => void encoder.dimensions++],
  ];
  for (const [name, change] of changes)
    assert.deepEqual(await messagesOf(found, change), [`dataset.json: evidence.${name} is not what the features give`]);
  const elsewhere = (changed: Evidence) => {
    changed.reference!.sha256 = '0'.repeat(64);
  };
  assert.match((await messagesOf(found, elsewhere)).join(), /evidence.reference is 0+, the plan says f+/);

  const needReference: readonly (readonly [string, (evidence: Evidence) => void])[] = [
    [
      'groups',
      ({ groups }) => {
        groups[0]!.fidelity!.kid.value += 0.01;
      },
    ],
    [
      'groups',
      ({ groups }) => {
        groups[0]!.privacy!.nearTraining.value = 0;
      },
    ],
    ['suspicious', ({ suspicious }) => void suspicious.pop()],
  ];
  for (const [name, change] of needReference)
    assert.deepEqual(await messagesOf(found, change, referenceDir), [
      `dataset.json: evidence.${name} is not what the features give`,
    ]);
});

test('a reference that is not the one of the plan is bad usage, before any shard is read', async (t) => {
  const { store, referenceDir } = await grown(t);
  const given = { ...(await givenReference(referenceDir)), sha256: '0'.repeat(64) };
  const shards: number[] = [];
  await assert.rejects(
    verify(store, (done) => void shards.push(done), undefined, given),
    /^UsageError: --reference: its SHA-256 is 0{64}, that of the reference that the plan names f{64}; give that one$/,
  );
  const plain = openStore(await folderOf(t));
  await growSmall(plain);
  await assert.rejects(
    verify(plain, (done) => void shards.push(done), undefined, given),
    /^UsageError: --reference: the plan of .* names no reference; leave the option out$/,
  );
  assert.deepEqual(shards, []);
});

test('evidence that was put into a manifest is found', async (t) => {
  const store = openStore(await folderOf(t));
  const manifest = await growSmall(store);
  const forged = Buffer.from(canonicalJson({ ...manifest, evidence: inventedEvidence() }));
  await store.replace(objects.manifest, forged, { contentType: CONTENT_TYPES.json });
  const { faults } = await verify(store);
  assert.deepEqual(
    faults.map(({ object, message }) => `${object}: ${message}`),
    ['dataset.json: evidence does not follow from anything in the dataset'],
  );
});
