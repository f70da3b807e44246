import { isProbe, objects } from '../contract/names.ts';
import type { Plan } from '../contract/plan/plan.ts';
import { type ObjectStore, StoreError } from '../platform/store/store.ts';

/** Objects of others at a place that a dataset is about to take: it would overwrite them, or lie inside another dataset. */

const FILES = [objects.card, objects.croissant, objects.index, objects.wids, objects.report] as const;
const FOLDERS = [
  objects.shards,
  objects.featuresFolder,
  objects.records,
  objects.work,
  'rejected/',
  objects.signatures,
  objects.training,
] as const;
/** Names shown of one folder. */
const SHOWN = 3;
/** Objects below the prefix that are searched for other datasets. */
const SEARCHED = 10_000;

/** Names the objects in the way of a dataset in a prefix without a claim; null when there are none. */
export async function foreignObjects(
  store: ObjectStore,
  plan: Pick<Plan, 'name'>,
  above: readonly ObjectStore[],
): Promise<string | null> {
  const files = await Promise.all(FILES.map(async (key) => ((await store.stat(key)) ? [key] : [])));
  const folders = await Promise.all(FOLDERS.map((folder) => firstKeys(store, folder)));
  const names = [...files, ...folders].flat();
  if (names.length > 0)
    return `it holds ${names.join(', ')}, which dataset "${plan.name}" would write over or mix with`;
  const inner = await datasetBelow(store);
  if (inner !== null) return `another dataset lies below it (${inner})`;
  for (const parent of above) {
    const outer = await datasetAt(parent);
    if (outer !== null) return `it lies inside the dataset at ${parent.uri} (${outer})`;
  }
  return null;
}

async function firstKeys(store: ObjectStore, folder: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(folder)) {
    // That of another worker, which is about to claim the prefix, too; or the rest of a killed one's.
    if (isProbe(key)) continue;
    if (keys.length === SHOWN) return [...keys, '...'];
    keys.push(key);
  }
  return keys;
}

/** The folder of a dataset below, if the key is its manifest, its claim or its outline; null otherwise. */
export function nestedDataset(key: string): string | null {
  const folder = /^(.+?\/)(?:_work\/(?:plan|dataset)\.json|dataset\.json)$/.exec(key)?.[1];
  return folder === undefined || folder === objects.work ? null : folder;
}

async function datasetBelow(store: ObjectStore): Promise<string | null> {
  let searched = 0;
  for await (const { key } of store.list('')) {
    if (nestedDataset(key) !== null) return key;
    if (++searched === SEARCHED) return null;
  }
  return null;
}

/** The object that makes a place a dataset; null when there is none, or when we may not look. */
async function datasetAt(store: ObjectStore): Promise<string | null> {
  for (const key of [objects.claim, objects.manifest]) {
    const bytes = await store.get(key, { start: 0, end: 4096 }).catch((error: unknown) => {
      if (error instanceof StoreError) return null;
      throw error;
    });
    if (bytes && Buffer.from(bytes).includes('cohortfarm.dev/')) return key;
  }
  return null;
}
