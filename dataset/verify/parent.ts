import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import { originAfter, originOf } from '../../contract/plan/origin.ts';
import { type Manifest, manifestSchema } from '../../contract/schema/manifest.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { parentUri } from '../parent.ts';
import { DAMAGED_AT_REST, getUnlessDamaged, parseStored } from '../stored.ts';

/** The dataset that a dataset extends: it must be the very one, with the numbers and seeds before those of its child. */

/** Opens a dataset by its URI. */
export type OpenStore = (uri: string) => ObjectStore;

/** A contradiction of a manifest's parent and its plan; null where there is none. */
export function statedParentFault(manifest: Manifest): string | null {
  const { parent, dataset } = manifest;
  const origin = originOf(manifest);
  const stated = parent && { sha256: parent.sha256, samples: parent.samples, manifest: parent.manifest };
  const expected = origin.parent !== null && {
    sha256: origin.parent,
    samples: origin.index,
    manifest: dataset.spec.extends?.manifest,
  };
  if (canonicalJson(stated ?? null) === canonicalJson(expected || null) && !parent === !dataset.spec.extends)
    return null;
  return 'parent, plan.extends and dataset.spec.extends contradict each other';
}

/** The store of a dataset's parent; why it is not the parent that the manifest names, or null where it extends none. */
export async function openParent(
  store: ObjectStore,
  manifest: Manifest,
  open: OpenStore,
): Promise<ObjectStore | string | null> {
  const { parent } = manifest;
  if (!parent) return null;
  const uri = parentUri(store.uri, parent.manifest);
  if (uri === null) return `names its parent ${parent.manifest}, which cannot be reached from here`;
  const found = open(uri);
  const bytes = await getUnlessDamaged(found, objects.manifest);
  const at = `${found.uri}/${objects.manifest}`;
  if (bytes instanceof StoreError) return `its parent ${at} ${DAMAGED_AT_REST}`;
  if (!bytes) return `its parent ${at} is missing; restore it to its place`;
  const digest = sha256(bytes);
  if (digest !== parent.sha256)
    return `its parent ${at} has SHA-256 ${digest}, not ${parent.sha256}: it is another dataset`;
  const parsed = parseStored(bytes, manifestSchema);
  if (typeof parsed === 'string') return `its parent ${at} ${parsed}`;
  const expected = originAfter({ manifest: parsed.value, sha256: digest });
  const stated = originOf(manifest);
  if (canonicalJson({ ...expected }) !== canonicalJson({ ...stated }))
    return `plan.extends is ${canonicalJson({ ...stated })}, the parent ends at ${canonicalJson({ ...expected })}`;
  if (parsed.value.name !== parent.name) return `parent.name is ${parent.name}, it is called ${parsed.value.name}`;
  if (parsed.value.dataset.spec.seed !== manifest.dataset.spec.seed)
    return 'dataset.spec.seed is not that of its parent';
  return found;
}
