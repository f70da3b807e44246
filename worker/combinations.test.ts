import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parquetReadObjects } from 'hyparquet';
import { objects } from '../contract/names.ts';
import { exportDataset } from '../dataset/export/export.ts';
import { readShardSamples } from '../dataset/shard/read.ts';
import { verify } from '../dataset/verify/verify.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { smallDataset } from '../test/support/dataset.ts';
import { growSmall } from '../test/support/grown.ts';

/** Combinations of findings, from sampling to what readers of the dataset see. */

const dataset = smallDataset((spec) => {
  spec.quota = {
    samples: 24,
    axes: {
      ...spec.quota.axes,
      finding: { values: ['no-finding', 'edema', 'effusion'], combinations: [['edema', 'effusion']] },
    },
    exclude: [{ finding: 'no-finding' }],
  };
  spec.prompt = { template: '{age} year old {sex} with {finding}' };
});

async function freshStore(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return openStore(dir);
}

async function grown(t: TestContext): Promise<ObjectStore> {
  const store = await freshStore(t);
  await growSmall(store, dataset);
  return store;
}

const BOTH = 'edema+effusion';

test('records and the index carry the set of findings, and the dataset verifies', async (t) => {
  const store = await grown(t);
  assert.deepEqual((await verify(store)).faults, []);
  const records = readShardSamples((await store.get(objects.shard('small', 0)))!).map(({ record }) => record);
  const combined = records.filter(({ axes }) => axes.finding === BOTH);
  assert.ok(combined.length > 0);
  for (const { sets, prompt, cell } of combined) {
    assert.deepEqual(sets, { finding: ['edema', 'effusion'] });
    assert.match(prompt, /with edema and effusion$/);
    assert.match(cell, /finding=edema\+effusion/);
  }
  const single = records.find(({ axes }) => axes.finding === 'edema')!;
  assert.deepEqual(single.sets, { finding: ['edema'] });
  const index = Uint8Array.from((await store.get(objects.index))!).buffer;
  const rows = await parquetReadObjects({ file: index });
  const sets = new Map(rows.map(({ finding, finding_set }) => [finding, finding_set]));
  assert.deepEqual(Object.fromEntries([...sets].sort()), {
    edema: 'edema',
    [BOTH]: 'edema|effusion',
    effusion: 'effusion',
  });
  assert.equal(rows.filter(({ finding }) => finding === BOTH).length, 8);
});

test('an exported image has an annotation for each of its findings', async (t) => {
  const target = await freshStore(t);
  await exportDataset({ source: await grown(t), target, format: 'coco', bodyPart: 'CHEST', onShard: () => {} });
  const { categories, annotations, images } = JSON.parse(
    Buffer.from((await target.get('annotations.json'))!).toString(),
  ) as {
    categories: { id: number; name: string; supercategory: string }[];
    annotations: { image_id: number; category_id: number }[];
    images: { id: number; prompt: string }[];
  };
  const names = new Map(categories.map(({ id, name, supercategory }) => [id, `${supercategory}=${name}`]));
  const shown = ({ id }: { id: number }) =>
    annotations.filter((one) => one.image_id === id).map((one) => names.get(one.category_id)!);
  const both = images.filter(({ prompt }) => prompt.endsWith('edema and effusion'));
  assert.equal(both.length, 8);
  for (const image of both)
    assert.deepEqual(
      shown(image).filter((name) => name.startsWith('finding')),
      ['finding=edema', 'finding=effusion'],
    );
});
