import { canonicalJson } from '../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../contract/names.ts';
import type { Plan } from '../contract/plan/plan.ts';
import { type Manifest, manifestSchema } from '../contract/schema/manifest.ts';
import { claimSchema } from '../contract/schema/record.ts';
import { type ObjectStore, StoreError } from '../platform/store/store.ts';

/** A prefix belongs to one plan: the first that claims it. */

/** The manifest of a complete dataset; null when there is none. */
export async function readManifest(store: ObjectStore): Promise<Manifest | null> {
  const bytes = await store.get(objects.manifest);
  return bytes && manifestSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
}

/**
 * Claims the prefix for a plan, before anything else is written there.
 * @returns whether the dataset is complete already, and how it stands otherwise
 * @throws StoreError (terminal) when the prefix belongs to another plan, of which nothing is touched
 */
export async function claim(store: ObjectStore, plan: Plan): Promise<'complete' | 'open'> {
  const manifest = await readManifest(store);
  if (manifest) {
    refuseOther(store, plan, manifest.planDigest, manifest.name);
    return 'complete';
  }
  const text = canonicalJson({ apiVersion: 'cohortfarm.dev/claim/v1', planDigest: plan.digest, dataset: plan.name });
  const written = await store.create(objects.claim, Buffer.from(`${text}\n`), { contentType: CONTENT_TYPES.json });
  if (written === 'exists') {
    const owner = claimSchema.parse(JSON.parse(Buffer.from((await store.get(objects.claim))!).toString()));
    refuseOther(store, plan, owner.planDigest, owner.dataset);
  }
  return 'open';
}

function refuseOther(store: ObjectStore, plan: Plan, digest: string, dataset: string): void {
  if (digest === plan.digest) return;
  throw new StoreError(
    'terminal',
    `${store.uri} holds dataset "${dataset}" of plan ${digest.slice(0, 12)}, and this spec makes plan ${plan.digest.slice(0, 12)}; ` +
      'nothing was changed: choose another output (a plan changes with everything that decides the bytes)',
  );
}
