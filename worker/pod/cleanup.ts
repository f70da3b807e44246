import { canonicalJson } from '../../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import { claimSchema } from '../../contract/schema/record.ts';
import { readManifest } from '../../dataset/claim.ts';
import { readStored } from '../../dataset/stored.ts';
import type { Logger } from '../../platform/log.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { outcome } from './outcome.ts';
import type { PodSettings } from './settings.ts';

/**
 * A cleanup pod: removes what CohortFarm wrote for a dataset, and nothing else below its prefix.
 *
 *   dataset.json (not complete any more) --> everything else --> the claim (what says whose the rest is)
 *
 * It may be killed anywhere and run again.
 */

const REMOVED_AT_ONCE = 1000;

/** @param planDigest of the resource that is deleted: another of the same name may have the output by now */
export async function cleanUp(
  { dataset, output: store, log }: PodSettings & { readonly log: Logger },
  planDigest: string,
): Promise<Outcome> {
  const { name } = dataset.metadata;
  try {
    const owner = await ownerOf(store);
    if (owner === null) return outcome('Deleting', `nothing of CohortFarm is in ${store.uri}`);
    if (owner.dataset !== name || owner.planDigest !== planDigest) {
      const whose = `dataset "${owner.dataset}" of plan ${owner.planDigest.slice(0, 12)}`;
      return outcome('Deleting', `${store.uri} belongs to ${whose}; nothing was removed`);
    }
    const removed = await removeAll(store, owner, name);
    log.info({ removed }, 'objects removed');
    return outcome('Deleting', `${removed} objects were removed from ${store.uri}`);
  } catch (error) {
    if (!(error instanceof StoreError && error.reason === 'BucketNotFound')) throw error;
    return outcome('Deleting', `there is no bucket of ${store.uri}: nothing is to be removed`);
  }
}

interface Owner {
  readonly dataset: string;
  readonly planDigest: string;
}

async function ownerOf(store: ObjectStore): Promise<Owner | null> {
  const claim = await readStored(store, objects.claim, claimSchema);
  if (claim) return claim;
  const manifest = await readManifest(store);
  return manifest && { dataset: manifest.name, planDigest: manifest.planDigest };
}

async function removeAll(store: ObjectStore, { planDigest, dataset }: Owner, name: string): Promise<number> {
  // Published datasets have no claim; without one, a cleanup that is killed could not go on.
  const claim = canonicalJson({ apiVersion: 'cohortfarm.dev/claim/v1', planDigest, dataset });
  await store.create(objects.claim, Buffer.from(`${claim}\n`), { contentType: CONTENT_TYPES.json });
  await store.remove([objects.manifest]);
  let removed = 1;
  let keys: string[] = [];
  for await (const { key } of store.list('')) {
    if (key === objects.claim || !isOurs(key, name)) continue;
    keys.push(key);
    removed++;
    if (keys.length < REMOVED_AT_ONCE) continue;
    await store.remove(keys);
    keys = [];
  }
  await store.remove(keys);
  await store.remove([objects.claim]);
  return removed + 1;
}

const FILES: readonly string[] = [
  objects.manifest,
  objects.card,
  objects.croissant,
  objects.index,
  objects.wids,
  objects.report,
];
/** Folders that only CohortFarm writes to. */
const FOLDERS: readonly string[] = [objects.work, 'rejected/', objects.training];

/** Whether CohortFarm writes objects of this name for a dataset of that name. */
export function isOurs(key: string, dataset: string): boolean {
  if (FILES.includes(key) || FOLDERS.some((folder) => key.startsWith(folder))) return true;
  if (key.startsWith(objects.records)) return /^\d{6}\.json$/.test(key.slice(objects.records.length));
  const prefix = `${objects.shards}${dataset}-`;
  return key.startsWith(prefix) && /^\d{6}\.tar$/.test(key.slice(prefix.length));
}
