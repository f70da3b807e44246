import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { doOnce } from './lock.ts';

const TIMES = { touchMs: 20, staleMs: 300 };

async function folder(t: { after(end: () => Promise<void>): void }): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-lock-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return join(dir, 'lock');
}

test('many that want the same thing have it done once, however long it takes', async (t) => {
  const lock = await folder(t);
  let [done, result] = [0, null as string | null];
  const want = () =>
    doOnce(
      lock,
      async () => result,
      async () => {
        done++;
        await sleep(3 * TIMES.staleMs);
        result = 'done';
        return result;
      },
      TIMES,
    );
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 8 }, want))), new Set(['done']));
  assert.equal(done, 1);
  assert.deepEqual(await readdir(lock), []);
});

test('a failure is that of who failed; the next tries again', async (t) => {
  const lock = await folder(t);
  let tries = 0;
  const want = () =>
    doOnce<number>(
      lock,
      async () => null,
      async () => {
        if (++tries === 1) throw new Error('no');
        return tries;
      },
      TIMES,
    );
  const results = await Promise.allSettled([want(), want()]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

test('a lock that is not touched any more is taken over by one', async (t) => {
  const lock = await folder(t);
  await doOnce(
    lock,
    async () => null,
    async () => '',
    TIMES,
  );
  await writeFile(join(lock, '7'), '');
  let [running, most] = [0, 0];
  const want = () =>
    doOnce(
      lock,
      async () => null,
      async () => {
        most = Math.max(most, ++running);
        await sleep(50);
        running--;
        return '';
      },
      TIMES,
    );
  await Promise.all([want(), want(), want()]);
  assert.equal(most, 1);
});
