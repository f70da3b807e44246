import { canonicalJson } from '../contract/digest.ts';
import { otherPlanFailure } from '../contract/failure.ts';
import { CONTENT_TYPES, objects } from '../contract/names.ts';
import type { Plan } from '../contract/plan/plan.ts';
import { type Manifest, manifestSchema } from '../contract/schema/manifest.ts';
import { claimSchema } from '../contract/schema/record.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { outlineOf } from './publish/manifest.ts';
import { readStored } from './stored.ts';

/** A prefix belongs to one plan: the first that claims it, which also says there what it wants. */

/** The manifest of a complete dataset; null when there is none. */
export const readManifest = (store: ObjectStore): Promise<Manifest | null> =>
  readStored(store, objects.manifest, manifestSchema);

/**
 * How a prefix stands for a plan, before anything is written there.
 * @throws Failure when the prefix belongs to another plan
 */
export async function standing(store: ObjectStore, plan: Plan): Promise<'complete' | 'open'> {
  const manifest = await readManifest(store);
  if (manifest) {
    refuseOther(store, plan, manifest.planDigest, manifest.name);
    return 'complete';
  }
  const owner = await readStored(store, objects.claim, claimSchema);
  if (owner) refuseOther(store, plan, owner.planDigest, owner.dataset);
  return 'open';
}

/**
 * Claims the prefix for a plan. Done by whoever is about to write, once model and gates are known to load: a plan that
 * cannot begin must not block the next one.
 * @throws Failure when the prefix belongs to another plan, of which nothing is touched
 */
export async function claim(store: ObjectStore, plan: Plan): Promise<void> {
  const owner = { apiVersion: 'cohortfarm.dev/claim/v1', planDigest: plan.digest, dataset: plan.name };
  await store.create(objects.claim, json(owner), { contentType: CONTENT_TYPES.json });
  if ((await standing(store, plan)) === 'complete') return;
  await store.create(objects.outline, json(outlineOf(plan)), { contentType: CONTENT_TYPES.json });
}

const json = (value: unknown): Uint8Array => Buffer.from(`${canonicalJson(value)}\n`);

function refuseOther(store: ObjectStore, plan: Plan, planDigest: string, dataset: string): void {
  if (planDigest !== plan.digest) throw otherPlanFailure(store.uri, { planDigest, dataset }, plan);
}
