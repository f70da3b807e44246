import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { sha256 } from '../../contract/digest.ts';
import { objects, PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { readManifest } from '../claim.ts';
import { verify } from '../verify/verify.ts';
import { publish } from './publish.ts';

const dataset = smallDataset();
const plan = planOf(dataset);
let grown: string;

before(async () => {
  grown = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, openStore(grown)), shard);
});
after(() => rm(grown, { recursive: true, force: true }));

async function copy(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(grown, folder, { recursive: true });
  return folder;
}

const titled = (title: string): SyntheticDataset => ({
  ...dataset,
  metadata: { ...dataset.metadata, annotations: { [PUBLICATION_ANNOTATIONS.title]: title } },
});

const publishAs = (store: ObjectStore, who: 'first' | 'second') =>
  publish({ plan, dataset: titled(who), ...RUN, store, version: who === 'first' ? '0.1.0' : '0.2.0' });

/** A store of which the n-th change (from 0) calls `pause` before it is made. */
function pausing(folder: string, n: number, pause: () => Promise<void>): { store: ObjectStore; changes: () => number } {
  const store = openStore(folder);
  let changes = 0;
  for (const method of ['create', 'replace', 'remove'] as const) {
    const change = store[method].bind(store) as (...args: unknown[]) => Promise<unknown>;
    Object.assign(store, {
      [method]: async (...args: unknown[]) => {
        if (changes++ === n) await pause();
        return change(...args);
      },
    });
  }
  return { store, changes: () => changes };
}

/** The files are those of the manifest, and nothing of the work is left. */
async function assertSound(folder: string, what: string): Promise<void> {
  const store = openStore(folder);
  const manifest = await readManifest(store);
  for (const { key, sha256: digest } of manifest!.files)
    assert.equal(sha256((await store.get(key))!), digest, `${key} (${what})`);
  const work = await Array.fromAsync(store.list(objects.work));
  assert.deepEqual(work, [], what);
}

describe('M3: two publishers with other titles and versions leave a dataset that verifies', () => {
  /** Writes of an undisturbed publisher. */
  let changes: number;
  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
    await cp(grown, folder, { recursive: true });
    const counting = pausing(folder, -1, async () => {});
    await publishAs(counting.store, 'first');
    changes = counting.changes();
    await rm(folder, { recursive: true });
  });

  test('when the second does all of its work before any one change of the first', async (t) => {
    for (let n = 0; n < changes; n++) {
      const folder = await copy(t);
      const first = pausing(folder, n, async () => void (await publishAs(openStore(folder), 'second')));
      const manifest = await publishAs(first.store, 'first');
      await assertSound(folder, `before change ${n}`);
      assert.deepEqual(manifest, await readManifest(openStore(folder)), `before change ${n}`);
      const { faults } = await verify(openStore(folder));
      assert.deepEqual(faults, [], `before change ${n}`);
    }
  });

  test('when the second stops before any of its changes, and goes on once the first is done', async (t) => {
    for (let n = 0; n < changes; n += 3) {
      for (let m = 0; m < changes; m++) {
        const folder = await copy(t);
        let second: Promise<unknown> = Promise.resolve();
        let resume = (): void => {};
        const first = pausing(folder, n, async () => {
          await new Promise<void>((stopped) => {
            const its = pausing(folder, m, async () => {
              stopped();
              await new Promise<void>((resolve) => {
                resume = resolve;
              });
            });
            second = publishAs(its.store, 'second').finally(stopped);
          });
        });
        const manifest = await publishAs(first.store, 'first');
        resume();
        await second;
        await assertSound(folder, `first before change ${n}, second before ${m}`);
        assert.deepEqual(manifest, await readManifest(openStore(folder)));
      }
    }
  });

  test('when one of them was killed before any one change, and the other comes later', async (t) => {
    for (let n = 0; n < changes; n++) {
      const folder = await copy(t);
      const killed = pausing(folder, n, () => Promise.reject(new Error('killed')));
      await assert.rejects(publishAs(killed.store, 'first'), /killed/);
      await publishAs(openStore(folder), 'second');
      await assertSound(folder, `killed before change ${n}`);
    }
  });

  for (const [what, prefix] of [
    ['a staged file', '_work/staged/'],
    ['the seal', '_work/publication-'],
  ] as const) {
    for (const how of ['damaged', 'lost'] as const) {
      test(`when ${what} was ${how} at rest`, async (t) => {
        const folder = await copy(t);
        const isSealed = 6;
        const killed = pausing(folder, isSealed, () => Promise.reject(new Error('killed')));
        await assert.rejects(publishAs(killed.store, 'first'), /killed/);
        const store = openStore(folder);
        const found = (await Array.fromAsync(store.list(prefix))).map(({ key }) => key);
        assert.equal(found.length, prefix.endsWith('/') ? 5 : 1);
        await store.remove(found);
        if (how === 'damaged')
          for (const key of found) await store.create(key, Buffer.from('x'), { contentType: 'text/plain' });
        await publishAs(store, 'second');
        await assertSound(folder, `${what} ${how}`);
      });
    }
  }
});
