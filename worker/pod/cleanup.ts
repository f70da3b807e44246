import type { Outcome } from '../../contract/schema/outcome.ts';
import { removeDataset } from '../../dataset/remove.ts';
import type { Logger } from '../../platform/log.ts';
import { StoreError } from '../../platform/store/store.ts';
import { outcome } from './outcome.ts';
import type { PodSettings } from './settings.ts';

/** A cleanup pod: removes what CohortFarm wrote for a resource, and nothing else below its prefix. */

/** @param planDigest of the resource that is deleted */
export async function cleanUp(
  { dataset, owner, output: store, log }: PodSettings & { readonly log: Logger },
  planDigest: string,
): Promise<Outcome> {
  try {
    const { removed, message } = await removeDataset(store, { dataset, owner, planDigest });
    log.info({ removed }, 'objects removed');
    return outcome('Deleting', message);
  } catch (error) {
    if (!(error instanceof StoreError && error.reason === 'BucketNotFound')) throw error;
    return outcome('Deleting', `there is no bucket of ${store.uri}: nothing is to be removed`);
  }
}
