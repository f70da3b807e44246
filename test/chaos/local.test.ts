import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import { publish } from '../../dataset/publish/publish.ts';
import { verify } from '../../dataset/verify/verify.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { missingForPods } from '../../testbed/available.ts';
import { runShard } from '../../worker/run-shard.ts';
import { drawingContext, planOf, RUN } from '../support/dataset.ts';
import { chaosDataset } from './grower.ts';
import { runLocal } from './local.ts';
import { seedsOf } from './random.ts';

/**
 * A dataset grows through kills, full disks, parts that are damaged at rest, and an S3 server that comes and goes: it is the
 * dataset of a quiet run, byte for byte. Odd seeds write into a directory, even ones to S3. `SEEDS=100 node --test
 * test/chaos/local.test.ts` runs a hundred of them, in about ten minutes; `SEEDS=3,7` runs these.
 */

const seeds = seedsOf(process.env.SEEDS ?? '4');

/** SHA-256 of every object that is published, by key. Which rejected images are kept depends on who came first. */
async function published(store: ObjectStore): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for await (const { key } of store.list('')) {
    if (key !== objects.claim && !key.startsWith('rejected/')) digests[key] = sha256((await store.get(key))!);
  }
  return digests;
}

describe('chaos at the store', { skip: await missingForPods() }, () => {
  let dir: string;
  let quiet: Record<string, string>;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-chaos-'));
    const dataset = chaosDataset();
    const [plan, store] = [planOf(dataset), openStore(dir)];
    for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
    await publish({ plan, dataset, ...RUN, store, version: '0.1.0' });
    quiet = await published(store);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  for (const seed of seeds) {
    const onS3 = seed % 2 === 0;
    test(`seed ${seed}, ${onS3 ? 'S3' : 'a directory'}: the dataset is that of a quiet run`, async () => {
      const run = await runLocal({ seed, onS3 });
      try {
        const { faults, ends, seconds, store } = run;
        process.stdout.write(
          `# seed ${seed}: ${seconds.toFixed(0)} s; ${faults.join(' ')}; growers ended ${ends.join(' ')}\n`,
        );
        assert.ok(faults.length >= 2, 'something happened');
        assert.deepEqual(await published(store), quiet);
        assert.deepEqual((await verify(store)).faults, []);
      } finally {
        await run.stop();
      }
    });
  }
});
