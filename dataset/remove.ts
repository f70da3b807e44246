import { isProbe, objects } from '../contract/names.ts';
import type { PrefixOwner } from '../contract/schema/record.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { COMPARE_RUNS } from '../contract/schema/training.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { isSameOwner, readClaim, readManifest } from './claim.ts';
import { nestedDataset } from './foreign.ts';

/**
 * Removes a dataset of one owner: by the names that CohortFarm gives objects, never a folder as a whole, and never below
 * another dataset.
 *
 *   dataset.json (not complete any more) --> everything else --> the claim (which says whose the rest is)
 *
 * It may be killed anywhere and run again.
 */

export interface Removal {
  readonly dataset: SyntheticDataset;
  readonly owner: PrefixOwner;
  readonly planDigest: string;
}

const REMOVED_AT_ONCE = 1000;

/** @returns how many objects were removed, and what became of the prefix in words */
export async function removeDataset(
  store: ObjectStore,
  { dataset, owner, planDigest }: Removal,
): Promise<{ removed: number; message: string }> {
  const none = (message: string) => ({ removed: 0, message: `${message}; nothing was removed` });
  const claim = await readClaim(store);
  if (!claim) {
    return (await readManifest(store))
      ? none(`${store.uri} holds a dataset that names no owner`)
      : { removed: 0, message: `nothing of CohortFarm is in ${store.uri}` };
  }
  if (claim.dataset !== dataset.metadata.name || claim.planDigest !== planDigest) {
    return none(`${store.uri} belongs to dataset "${claim.dataset}" of plan ${claim.planDigest.slice(0, 12)}`);
  }
  if (!claim.owner || !isSameOwner(claim.owner, owner)) {
    const whose = claim.owner ? `${claim.owner.name ?? claim.owner.kind} (${claim.owner.id})` : 'no owner by name';
    return none(`${store.uri} belongs to ${whose}, not to ${owner.name ?? owner.id}`);
  }
  await store.remove([objects.manifest]);
  const { removed, kept } = await removeOwn(store, dataset);
  await store.remove([objects.claim]);
  const rest = kept > 0 ? `; ${kept} objects that it did not write are still there` : '';
  return { removed: removed + 2, message: `${removed + 2} objects were removed from ${store.uri}${rest}` };
}

async function removeOwn(store: ObjectStore, dataset: SyntheticDataset): Promise<{ removed: number; kept: number }> {
  const isOurs = ownedBy(dataset);
  const nested = new Set<string>();
  for await (const { key } of store.list('')) {
    const folder = nestedDataset(key);
    if (folder !== null) nested.add(folder);
  }
  const isNested = (key: string): boolean => [...nested].some((folder) => key.startsWith(folder));
  let [removed, kept] = [0, 0];
  let keys: string[] = [];
  for await (const { key } of store.list('')) {
    if (key === objects.claim) continue;
    if (!isOurs(key) || isNested(key)) {
      kept++;
      continue;
    }
    keys.push(key);
    removed++;
    if (keys.length < REMOVED_AT_ONCE) continue;
    await store.remove(keys);
    keys = [];
  }
  await store.remove(keys);
  return { removed, kept };
}

/** Names of objects, with a pattern for each kind; a claim is refused where any of them is there already. */
const PATTERNS: readonly RegExp[] = [
  /^(dataset\.json|README\.md|croissant\.json|index\.parquet|wids\.json|report\.html)$/,
  /^records\/\d{6}\.json$/,
  /^signatures\/[0-9a-f]{64}\.json$/,
  /^rejected\/\d{6}\/\d{4}\.(jpg|png|json)$/,
  /^_work\/(dataset\.json|publication-[0-9a-f]{64}\.json|staged\/[0-9a-f]{64}|checked\/\d{6}-[0-9a-f]{64}\.json\.gz|\d{6}\/(seal(-[0-9a-f]{64})?\.json|features-[0-9a-f]{64}\.npy|\d{9,}-\d{9,}\.tar))$/,
];

/** Whether CohortFarm writes objects of this name for a dataset. */
export function ownedBy({ metadata, spec }: Pick<SyntheticDataset, 'metadata' | 'spec'>): (key: string) => boolean {
  const shards = `${objects.shards}${metadata.name}-`;
  const features = `${objects.featuresFolder}${metadata.name}-`;
  // Results of a stage that was changed and trained again lie in a folder with a digest.
  const stages = [...(spec.training?.stages ?? []).map(({ name }) => name), 'evaluate', 'compare', COMPARE_RUNS];
  const folder = new RegExp(`^${objects.training}(${stages.join('|')})(-[0-9a-f]{8})?/.`);
  return (key) =>
    PATTERNS.some((pattern) => pattern.test(key)) ||
    isProbe(key) ||
    (key.startsWith(shards) && /^\d{6}\.tar$/.test(key.slice(shards.length))) ||
    (key.startsWith(features) && /^\d{6}\.npy$/.test(key.slice(features.length))) ||
    (spec.training !== undefined && folder.test(key));
}
