import assert from 'node:assert/strict';
import { mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { makeFolder } from './directory-files.ts';

test('a folder is made while others remove it and those above it', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'cohortfarm-folders-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const folder = join(root, 'deep/folder');
  const make = async (): Promise<void> => {
    for (let turn = 0; turn < 100; turn++) await makeFolder(folder);
  };
  let isDone = false;
  const prune = async (): Promise<void> => {
    while (!isDone) for (const path of [folder, dirname(folder)]) await rmdir(path).catch(() => {});
  };
  const pruning = [prune(), prune()];
  const outcomes = await Promise.allSettled([make(), make(), make()]);
  isDone = true;
  await Promise.all(pruning);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'rejected' ? String(outcome.reason) : 'made')),
    ['made', 'made', 'made'],
  );
});
