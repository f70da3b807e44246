import type { Manifest } from '../../contract/schema/manifest.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { publish } from '../../dataset/publish/publish.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { runShard } from '../../worker/run-shard.ts';
import { drawingContext, planOf, RUN, smallDataset } from './dataset.ts';

/** Grows and publishes a small dataset that verifies. */
export async function growSmall(store: ObjectStore, dataset: SyntheticDataset = smallDataset()): Promise<Manifest> {
  const plan = planOf(dataset);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  return publish({ plan, dataset, ...RUN, store, version: '0.0.0' });
}
