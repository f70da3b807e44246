import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { readTraining } from './training.ts';

test('science 5: of results of another version one thing is said, and what to do', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-old-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const store = openStore(dir);
  const old = { apiVersion: 'cohortfarm.dev/metrics/v1', comparison: { differences: [] }, evaluations: 3 };
  await store.replace('training/compare/metrics.json', Buffer.from(JSON.stringify(old)), {
    contentType: 'application/json',
  });
  const [view] = await readTraining(store);
  assert.equal(
    view!.problem,
    'metrics.json is not as this version writes it (apiVersion: is cohortfarm.dev/metrics/v1, from another version of CohortFarm; train again to replace it)',
  );
});
