import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { canonicalJson } from '../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../contract/names.ts';
import { manifestSchema } from '../contract/schema/manifest.ts';
import type { Gate } from '../contract/schema/spec.ts';
import { parseDataset } from '../contract/validate/parse.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../test/support/dataset.ts';
import { documentWith, linesOf } from '../test/support/spec.ts';
import { judge } from '../worker/gate/verdict.ts';
import { runShard } from '../worker/run-shard.ts';
import { createAgreementCounter } from './agreement.ts';
import { publish } from './publish/publish.ts';
import { verify } from './verify/verify.ts';

const dataset = smallDataset((spec) => {
  spec.quality = {
    gates: [
      { name: 'sex', axis: 'sex', type: 'Classifier', modelUri: 'unused', enforce: false },
      { name: 'age', axis: 'age', type: 'Regressor', modelUri: 'unused', tolerance: 16 },
    ],
  };
});
const plan = planOf(dataset);

async function freshStore(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return openStore(dir);
}

/** Finds women in two of three images of women, and every man. */
async function grow(store: ObjectStore) {
  const context = drawingContext(plan, store, {
    judge: async (images, batch) =>
      images.map((_, i) => {
        const { sex } = batch[i]!.axes;
        const outputs = sex === 'female' && batch[i]!.seed % 3 === 0 ? [0.25, 0.75] : [0.75, 0.25];
        const classes = sex === 'female' ? ['female', 'male'] : ['male', 'female'];
        const wanted = { value: sex!, exact: undefined };
        return {
          sex: judge(plan.gates[0]!, outputs, classes, wanted),
          age: { score: batch[i]!.exact.age!, passed: true },
        };
      }),
  });
  for (let shard = 0; shard < plan.shards; shard++) await runShard(context, shard);
  return publish({ plan, dataset, ...RUN, store, version: '0.0.0' });
}

test('a gate that refuses nothing is counted in dataset.json, card and report, and verify counts again', async (t) => {
  const store = await freshStore(t);
  const manifest = await grow(store);
  assert.deepEqual(manifest.samples, { wanted: 24, accepted: 24, exhausted: 0, attempts: 24 });
  const [entry] = manifest.agreement!;
  assert.equal(manifest.agreement!.length, 1);
  const women = entry!.groups.find(({ group }) => group.sex === 'female')!;
  const men = entry!.groups.find(({ group }) => group.sex === 'male')!;
  assert.deepEqual([women.images, men.images, men.agreed], [12, 12, 12]);
  assert.ok(women.agreed < 12 && women.agreed > 0);
  assert.deepEqual([entry!.gate, entry!.images, entry!.agreed], ['sex', 24, 12 + women.agreed]);
  const [low, high] = women.share!.interval;
  assert.ok(low < women.share!.value && women.share!.value < high);
  for (const key of [objects.card, objects.report]) {
    const page = Buffer.from((await store.get(key))!).toString();
    assert.match(page, /Agreement of sex with the prompts/);
  }
  assert.deepEqual((await verify(store)).faults, []);
  const forged = { ...manifest, agreement: [{ ...entry!, agreed: 24 }] };
  const bytes = Buffer.from(canonicalJson(manifestSchema.parse(forged)));
  await store.replace(objects.manifest, bytes, { contentType: CONTENT_TYPES.json });
  assert.ok((await verify(store)).faults.some(({ message }) => message === 'agreement is not what the records give'));
});

test('a plan whose gates all refuse has no agreement, and keeps its digest', () => {
  assert.equal(createAgreementCounter(planOf(smallDataset()).gates).finish(), undefined);
  const digest = (enforce: boolean | undefined) =>
    planOf(
      smallDataset(({ quality }) => {
        if (enforce !== undefined) quality!.gates![0]!.enforce = enforce;
      }),
    ).digest;
  assert.equal(digest(true), digest(undefined));
  assert.notEqual(digest(false), digest(undefined));
});

test('a score that is no number is refused by any gate: a record cannot hold it', () => {
  const gate = { type: 'Classifier', enforce: false, multiLabel: false, minProbability: 0.5 } as Gate;
  const wanted = { value: 'a', exact: undefined };
  assert.deepEqual(judge(gate, [0.1, 0.9], ['a', 'b'], wanted), { score: 0.1, passed: true });
  assert.equal(judge(gate, [Number.NaN, 0.9], ['a', 'b'], wanted).passed, false);
});

test('a Novelty gate refuses, or is not there', () => {
  const gate = { name: 'copies', type: 'Novelty', against: 'Cohort', threshold: 0.1, enforce: false };
  const spec = documentWith({ 'spec.quality.encoder': { modelUri: 'encoder' }, 'spec.quality.gates': [gate] });
  assert.deepEqual(
    linesOf(() => parseDataset(spec)),
    ['spec.quality.gates[0].enforce: belongs to a gate with a model; remove it'],
  );
});
