import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { Failure } from '../contract/failure.ts';
import { type ObjectStore, openStore, storesAbove } from '../platform/store/store.ts';
import { planOf, RUN, smallDataset } from '../test/support/dataset.ts';
import { claim, standing } from './claim.ts';

const mine = planOf(smallDataset());
const other = planOf(
  smallDataset((spec) => {
    spec.seed = 8;
  }),
);

async function freshStore(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return openStore(dir);
}

test('a prefix may be claimed again and again by the same plan', async (t) => {
  const store = await freshStore(t);
  await claim(store, mine, RUN);
  await claim(store, mine, RUN);
  assert.equal((await standing(store, mine, RUN)).state, 'open');
});

test('a second plan is told whose the prefix is, and nothing is changed', async (t) => {
  const store = await freshStore(t);
  await claim(store, mine, RUN);
  await assert.rejects(claim(store, other, RUN), (error: Error) => {
    assert.match(error.message, /belongs to plan \w{12} of dataset "small"/);
    assert.match(error.message, new RegExp(mine.digest.slice(0, 12)));
    assert.match(error.message, /nothing was changed: choose another output/);
    return true;
  });
  assert.equal((await standing(store, mine, RUN)).state, 'open');
});

test('of many plans that claim a prefix at once exactly one gets it', async (t) => {
  const store = await freshStore(t);
  const plans = Array.from({ length: 10 }, (_, seed) =>
    planOf(
      smallDataset((spec) => {
        spec.seed = seed;
      }),
    ),
  );
  const results = await Promise.allSettled(plans.map((plan) => claim(store, plan, RUN)));
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
});

/** The store, with something else that happens before its nth call (from 0). `calls` counts all of them. */
function interrupted(store: ObjectStore, nth: number, happen: () => Promise<void>): ObjectStore & { calls: number } {
  const counting = { calls: 0 };
  const before = async (): Promise<void> => {
    if (counting.calls++ === nth) await happen();
  };
  return Object.assign(counting, {
    uri: store.uri,
    async *list(prefix: string) {
      await before();
      yield* store.list(prefix);
    },
    ...Object.fromEntries(
      (['assertConditional', 'get', 'stat', 'remove', 'replace', 'create'] as const).map((name) => [
        name,
        async (...args: unknown[]) => {
          await before();
          return (store[name] as (...all: unknown[]) => unknown)(...args);
        },
      ]),
    ),
  }) as unknown as ObjectStore & { calls: number };
}

test('workers of one dataset that claim at the same time do not take each other for strangers', async (t) => {
  for (let nth = 0, calls = 1; nth < calls; nth++) {
    const store = await freshStore(t);
    const slow = interrupted(store, nth, () => claim(store, mine, RUN));
    await claim(slow, mine, RUN);
    calls = slow.calls;
    assert.equal((await standing(store, mine, RUN)).claim, 'ours', `the other was faster at call ${nth}`);
  }
});

test('a probe of a worker that starts at the same time is not a stranger', async (t) => {
  const store = await freshStore(t);
  await store.create(`_work/probe-${randomUUID()}`, Buffer.from('1'), { contentType: 'text/plain' });
  await claim(store, mine, RUN);
  await store.create('_work/probe-of-a-stranger', Buffer.from('1'), { contentType: 'text/plain' });
  await assert.rejects(claim(store, other, RUN), /belongs to plan/);
});

test('looking at a prefix does not claim it', async (t) => {
  const store = await freshStore(t);
  assert.equal((await standing(store, mine, RUN)).state, 'open');
  await claim(store, other, RUN);
  await assert.rejects(standing(store, mine, RUN), /of dataset "small"/);
});

test('a claim that is not valid JSON is named', async (t) => {
  const store = await freshStore(t);
  await store.create('_work/plan.json', Buffer.from('{'), { contentType: 'application/json' });
  await assert.rejects(claim(store, mine, RUN), /_work\/plan\.json is not valid JSON; restore or remove it/);
});

const resource = (id: string, name: string) => ({ owner: { kind: 'SyntheticDataset', id, name } }) as const;
const staging = resource('uid-staging', 'staging/small');
const prod = resource('uid-prod', 'prod/small');
const text = { contentType: 'text/plain' };

describe('A1: a prefix belongs to an owner', () => {
  test('a twin, the same resource in another namespace or cluster, is refused with the way to take it over', async (t) => {
    const store = await freshStore(t);
    await claim(store, mine, staging);
    for (const twin of [prod, RUN]) {
      await assert.rejects(claim(store, mine, twin), (error: Failure) => {
        assert.equal(error.reason, 'OutputTaken');
        assert.match(error.message, /belongs to SyntheticDataset staging\/small \(uid-staging\)/);
        assert.match(error.message, /cohortfarm\.dev\/adopt-from: uid-staging \(command line: --adopt uid-staging\)/);
        return true;
      });
    }
    await claim(store, mine, staging);
  });

  test('it is taken over from the owner that is named, and from no other', async (t) => {
    const store = await freshStore(t);
    await claim(store, mine, staging);
    await assert.rejects(claim(store, mine, { ...prod, adoptFrom: 'uid-other' }), /uid-staging/);
    await claim(store, mine, { ...prod, adoptFrom: 'uid-staging' });
    await assert.rejects(claim(store, mine, staging), /belongs to SyntheticDataset prod\/small/);
    await assert.rejects(claim(store, mine, { ...RUN, adoptFrom: 'uid-staging' }), /uid-prod/);
  });

  test('any run of the command line resumes what another began', async (t) => {
    const store = await freshStore(t);
    await claim(store, mine, RUN);
    await claim(store, mine, { owner: { kind: 'Run', id: 'another' } });
    await assert.rejects(claim(store, mine, prod), /belongs to a run of the command line \(test\)/);
  });

  test('a claim of a former version, which names no owner, becomes that of the first to continue', async (t) => {
    const store = await freshStore(t);
    const former = { apiVersion: 'cohortfarm.dev/claim/v1', planDigest: mine.digest, dataset: mine.name };
    await store.create('_work/plan.json', Buffer.from(JSON.stringify(former)), { contentType: 'application/json' });
    await claim(store, mine, prod);
    await assert.rejects(claim(store, mine, staging), /uid-prod/);
  });
});

describe('H2: nothing that is not our own is written over', () => {
  test("a folder with files of a dataset's names is refused, all of them named at once", async (t) => {
    const store = await freshStore(t);
    for (const key of ['README.md', 'index.parquet', 'training/my-weights.txt', 'notes.txt'])
      await store.create(key, Buffer.from('mine'), text);
    await assert.rejects(claim(store, mine, RUN), (error: Failure) => {
      assert.equal(error.reason, 'OutputTaken');
      assert.match(error.message, /it holds README\.md, index\.parquet, training\/my-weights\.txt, which/);
      assert.match(error.message, /--adopt unowned/);
      return true;
    });
    assert.equal(await store.get('_work/plan.json'), null, 'nothing was written');
    await claim(store, mine, { ...RUN, adoptFrom: 'unowned' });
  });

  test('files of other names do not matter', async (t) => {
    const store = await freshStore(t);
    await store.create('dataset.yaml', Buffer.from('mine'), text);
    await claim(store, mine, RUN);
  });

  test('a dataset inside another, or around another, is refused', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const at = (path: string) => ({
      store: openStore(join(dir, path)),
      claimant: { ...RUN, above: storesAbove(join(dir, path)) },
    });
    const outer = at('cohort');
    await claim(outer.store, mine, outer.claimant);
    const inner = at('cohort/deep/inner');
    await assert.rejects(claim(inner.store, other, inner.claimant), /it lies inside the dataset at file:.*\/cohort /);
    const around = at('');
    await assert.rejects(claim(around.store, other, around.claimant), /another dataset lies below it \(cohort\/_work/);
  });
});
