import { sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import { headlines } from '../../dataset/publish/evidence-words.ts';
import { publish } from '../../dataset/publish/publish.ts';
import type { Logger } from '../../platform/log.ts';
import { openStepReporter } from '../../platform/queue/step-reporter.ts';
import { StoreError } from '../../platform/store/store.ts';
import { VERSION } from '../../platform/version.ts';
import { prepare } from '../prepare.ts';
import { outcome } from './outcome.ts';
import type { PodSettings, QueueSettings } from './settings.ts';

/** A publish pod: checks every shard, writes the manifest, and says what is published. */

/** Shards checked between two lines of the log. */
const LOG_EVERY = 50;

export interface PublishContext extends PodSettings {
  /** To report how far it is; none outside a cluster. */
  readonly queue?: QueueSettings;
  readonly log: Logger;
}

/** @throws StoreError (retryable, ShardsMissing) when shards are not committed; DatasetError when one is damaged */
export async function publishDataset(context: PublishContext): Promise<Outcome> {
  const { dataset, resources, owner, output: store, log, uid, pod, queue } = context;
  const reporter = queue && openStepReporter({ ...queue, uid, name: pod });
  const { plan, referenceDir } = await prepare(dataset, resources);
  const { samples, evidence } = await publish({
    plan,
    dataset,
    store,
    owner,
    version: VERSION,
    referenceDir,
    onProgress: (done, all) => {
      reporter?.report(done, all);
      if (done % LOG_EVERY === 0 || done === all) log.info({ done, all }, 'shards checked');
    },
  });
  const bytes = await store.get(objects.manifest);
  if (!bytes)
    throw new StoreError('retryable', `${store.uri}/${objects.manifest} vanished once it was written; try again`);
  const manifest = { uri: `${store.uri}/${objects.manifest}`, sha256: sha256(bytes) };
  log.info({ manifest, samples }, 'published');
  return outcome('Published', `${samples.accepted} of ${samples.wanted} images are in ${store.uri}`, {
    published: { planDigest: plan.digest, manifest, samples, ...(evidence && { evidence: headlines(evidence) }) },
  });
}
