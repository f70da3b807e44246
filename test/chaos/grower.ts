import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, exitCodeOf } from '../../contract/failure.ts';
import { claim } from '../../dataset/claim.ts';
import { publish } from '../../dataset/publish/publish.ts';
import { readProgress } from '../../dataset/shard/committed.ts';
import { openStore } from '../../platform/store/store.ts';
import { runShard } from '../../worker/run-shard.ts';
import { drawImage, drawingContext, planOf, RUN, smallDataset } from '../support/dataset.ts';

/**
 * A program that grows and publishes one dataset, as a worker and a publish pod do, with drawn images instead of a model's:
 * what it writes, and in which order, is the real thing. Several of them work on the same shards, each in its own order.
 */

/** The argument of a grower, as JSON. */
export interface GrowerOptions {
  readonly uri: string;
  readonly store: Parameters<typeof openStore>[1];
  /** The shard that it begins with. */
  readonly first: number;
}

/** A batch takes so long: no processor is needed for it, and there is time to strike. */
const BATCH_MS = 120;

export const chaosDataset = () =>
  smallDataset((spec) => {
    spec.quota.samples = 60;
    spec.quality = { ...spec.quality, keepRejected: 2 };
    spec.output.shard = { samples: 6 };
    spec.workers = { ...spec.workers, checkpointSamples: 2 };
  });

async function grow({ uri, store: options, first }: GrowerOptions): Promise<void> {
  const dataset = chaosDataset();
  const plan = planOf(dataset);
  const store = openStore(uri, options);
  await claim(store, plan, RUN);
  const context = drawingContext(plan, store, {
    async generate(batch) {
      await sleep(BATCH_MS);
      return batch.map(({ seed }) => drawImage(seed));
    },
  });
  const { pending } = await readProgress(store, plan);
  const order = [...pending.filter((shard) => shard >= first), ...pending.filter((shard) => shard < first)];
  for (const shard of order) await runShard(context, shard);
  await publish({ plan, dataset, ...RUN, store, version: '0.1.0' });
}

if (import.meta.main) {
  try {
    await grow(JSON.parse(process.argv[2]!));
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}
