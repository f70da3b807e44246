import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openStore } from '../platform/store/store.ts';
import { planOf, smallDataset } from '../test/support/dataset.ts';
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
  await claim(store, mine);
  await claim(store, mine);
  assert.equal(await standing(store, mine), 'open');
});

test('a second plan is told whose the prefix is, and nothing is changed', async (t) => {
  const store = await freshStore(t);
  await claim(store, mine);
  await assert.rejects(claim(store, other), (error: Error) => {
    assert.match(error.message, /belongs to plan \w{12} of dataset "small"/);
    assert.match(error.message, new RegExp(mine.digest.slice(0, 12)));
    assert.match(error.message, /nothing was changed: choose another output/);
    return true;
  });
  assert.equal(await standing(store, mine), 'open');
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
  const results = await Promise.allSettled(plans.map((plan) => claim(store, plan)));
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('looking at a prefix does not claim it', async (t) => {
  const store = await freshStore(t);
  assert.equal(await standing(store, mine), 'open');
  await claim(store, other);
  await assert.rejects(standing(store, mine), /of dataset "small"/);
});

test('a claim that is not valid JSON is named', async (t) => {
  const store = await freshStore(t);
  await store.create('_work/plan.json', Buffer.from('{'), { contentType: 'application/json' });
  await assert.rejects(claim(store, mine), /_work\/plan\.json is not valid JSON; restore or remove it/);
});
