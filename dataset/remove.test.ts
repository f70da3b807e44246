import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { objects } from '../contract/names.ts';
import type { PrefixOwner } from '../contract/schema/record.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { drawingContext, planOf, smallDataset } from '../test/support/dataset.ts';
import { runShard } from '../worker/run-shard.ts';
import { claim } from './claim.ts';
import { publish } from './publish/publish.ts';
import { removeDataset } from './remove.ts';

const dataset = smallDataset((spec) => {
  spec.training = { stages: [{ name: 'pretrain', type: 'Pretrain' }], labels: ['edema'] };
});
const plan = planOf(dataset);
const owner = { kind: 'SyntheticDataset', id: 'uid-a', name: 'a/small' } satisfies PrefixOwner;
const twin = { kind: 'SyntheticDataset', id: 'uid-b', name: 'b/small' } satisfies PrefixOwner;
const text = { contentType: 'text/plain' };

async function grown(t: TestContext, { complete }: { complete: boolean }): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const store = openStore(dir);
  await claim(store, plan, { owner });
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  if (complete) await publish({ plan, dataset, store, owner, version: '0.1.0' });
  return store;
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

const removal = (change = {}) => ({ dataset, owner, planDigest: plan.digest, ...change });

describe('A1: a deletion removes what its own claim covers', () => {
  for (const complete of [true, false]) {
    test(`all of a ${complete ? 'published' : 'growing'} dataset, and nothing is left`, async (t) => {
      const store = await grown(t, { complete });
      const { message } = await removeDataset(store, removal());
      assert.match(message, /^\d+ objects were removed/);
      assert.deepEqual(await keysOf(store), []);
      assert.match((await removeDataset(store, removal())).message, /^nothing of CohortFarm is in /);
    });
  }

  test("never a twin's, nor that of another plan, nor one that names no owner", async (t) => {
    const store = await grown(t, { complete: true });
    const before = await keysOf(store);
    for (const change of [{ owner: twin }, { planDigest: 'b'.repeat(64) }])
      assert.match((await removeDataset(store, removal(change))).message, /; nothing was removed$/);
    assert.deepEqual(await keysOf(store), before);
    await store.remove([objects.claim]);
    assert.match((await removeDataset(store, removal())).message, /names no owner; nothing was removed$/);
    assert.ok(await store.stat(objects.manifest));
  });
});

test('H2: what others put below the prefix stays, whole datasets included', async (t) => {
  const store = await grown(t, { complete: true });
  const theirs = [
    '_work/notes.txt',
    'rejected/mine.txt',
    'shards/other-000000.tar',
    'signatures/mine.txt',
    'training/my-weights.txt',
    'training/other-dataset/dataset.json',
    'training/other-dataset/shards/small-000000.tar',
    'training/pretrain/nested/_work/plan.json',
    'training/pretrain/nested/records/000000.json',
  ];
  const ours = [
    'training/pretrain/metrics.json',
    'training/pretrain-0123abcd/model.pt',
    'rejected/000000/0000.png',
    `signatures/${'a'.repeat(64)}.json`,
  ];
  for (const key of [...theirs, ...ours]) await store.create(key, Buffer.from('x'), text);
  const { message } = await removeDataset(store, removal());
  assert.deepEqual(await keysOf(store), theirs);
  assert.match(message, new RegExp(`${theirs.length} objects that it did not write are still there$`));
});

test('a removal that is killed at any call is finished by the next', async (t) => {
  for (let n = 0; n < 3; n++) {
    const store = await grown(t, { complete: true });
    let calls = 0;
    const dying = new Proxy(store, {
      get: (target, name) =>
        name === 'remove'
          ? (keys: readonly string[]) => {
              if (calls++ === n) throw new Error('killed');
              return target.remove(keys);
            }
          : (Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)),
    });
    await assert.rejects(removeDataset(dying, removal()), /killed/);
    await removeDataset(store, removal());
    assert.deepEqual(await keysOf(store), []);
  }
});
