import { randomUUID } from 'node:crypto';
import { canonicalFile } from '../contract/digest.ts';
import { Failure, otherPlanFailure } from '../contract/failure.ts';
import { ADOPT_ANNOTATION, CONTENT_TYPES, objects } from '../contract/names.ts';
import type { Plan } from '../contract/plan/plan.ts';
import { type Manifest, manifestSchema } from '../contract/schema/manifest.ts';
import { type Claim, claimSchema, type PrefixOwner } from '../contract/schema/record.ts';
import { type ObjectStore, StoreError } from '../platform/store/store.ts';
import { foreignObjects } from './foreign.ts';
import { outlineOf } from './publish/manifest.ts';
import { readStored } from './stored.ts';

/**
 * A prefix belongs to one plan and one owner: the first that claims it. The claim stays once the dataset is published, so that
 * no other owner's deletion empties it.
 */

/** Who claims a prefix, and on what terms. */
export interface Claimant {
  readonly owner: PrefixOwner;
  /** Id of the owner to take the prefix over from, or UNOWNED. */
  readonly adoptFrom?: string | undefined;
  /** The stores above the prefix, in which no other dataset may be. */
  readonly above?: readonly ObjectStore[];
}

/** Value of `adoptFrom` where objects exist without an owner. */
export const UNOWNED = 'unowned';

/** The manifest of a complete dataset; null when there is none. */
export const readManifest = (store: ObjectStore): Promise<Manifest | null> =>
  readStored(store, objects.manifest, manifestSchema);

/** The manifest of a complete dataset. @throws Failure when there is none */
export async function requireManifest(store: ObjectStore): Promise<Manifest> {
  const manifest = await readManifest(store);
  if (manifest) return manifest;
  throw new Failure('DatasetDamaged', `${store.uri} holds no complete dataset: ${objects.manifest} is missing`);
}

export const readClaim = (store: ObjectStore): Promise<Claim | null> => readStored(store, objects.claim, claimSchema);

/** Any run of the command line may resume what another began; a resource is itself alone. */
export const isSameOwner = (a: PrefixOwner, b: PrefixOwner): boolean =>
  a.kind === b.kind && (a.kind === 'Run' || a.id === b.id);

interface Standing {
  /** Whether the dataset is complete. */
  readonly state: 'complete' | 'open';
  /** The next step with the claim, before anything is written. */
  readonly claim: 'ours' | 'create' | 'replace';
}

/**
 * The state of a prefix for a plan and an owner. Writes nothing.
 * @throws Failure when the prefix belongs to another plan or owner, or holds objects that are not CohortFarm's
 */
export async function standing(store: ObjectStore, plan: Plan, claimant: Claimant): Promise<Standing> {
  const [manifest, claim] = await Promise.all([readManifest(store), readClaim(store)]);
  if (manifest) refuseOther(store, plan, { planDigest: manifest.planDigest, dataset: manifest.name });
  if (claim) refuseOther(store, plan, claim);
  const state = manifest ? 'complete' : 'open';
  if (claim?.owner && isSameOwner(claim.owner, claimant.owner)) return { state, claim: 'ours' };
  if (claim?.owner) {
    if (claimant.adoptFrom !== claim.owner.id) throw otherOwnerFailure(store, claim.owner);
    return { state, claim: 'replace' };
  }
  // A claim of version 1 names no owner: the first that continues the work is it.
  if (claim) return { state, claim: 'replace' };
  if (claimant.adoptFrom === UNOWNED) return { state, claim: 'create' };
  // A dataset that a former version published has no claim. It can be used as it is; it has no owner.
  if (manifest) return { state, claim: 'ours' };
  const foreign = await foreignObjects(store, plan, claimant.above ?? []);
  if (foreign === null) return { state, claim: 'create' };
  // What was found may be that of a worker of the same dataset, which has claimed the prefix since we looked.
  if (await readClaim(store)) return standing(store, plan, claimant);
  throw foreignFailure(store, foreign);
}

/**
 * Claims the prefix for a plan and an owner, once model and gates are known to load: a plan that cannot begin must not block
 * the next one.
 * @throws Failure as `standing` does; nothing that is there is touched
 */
export async function claim(store: ObjectStore, plan: Plan, claimant: Claimant): Promise<void> {
  const { state, claim } = await standing(store, plan, claimant);
  if (state === 'open') await store.assertConditional(objects.probe(randomUUID()));
  if (claim !== 'ours') await writeClaim(store, plan, claimant, claim);
  if (state === 'open')
    await store.create(objects.outline, canonicalFile(outlineOf(plan)), { contentType: CONTENT_TYPES.json });
}

async function writeClaim(
  store: ObjectStore,
  plan: Plan,
  claimant: Claimant,
  how: 'create' | 'replace',
): Promise<void> {
  const body = canonicalFile({
    apiVersion: 'cohortfarm.dev/claim/v2',
    planDigest: plan.digest,
    dataset: plan.name,
    owner: claimant.owner,
  } satisfies Claim);
  await store[how](objects.claim, body, { contentType: CONTENT_TYPES.json });
  // Another may have been first, or have taken it over at the same time.
  const { claim } = await standing(store, plan, { owner: claimant.owner });
  if (claim !== 'ours') throw new StoreError('retryable', `${store.uri}/${objects.claim} changed while it was written`);
}

/** @throws Failure when the prefix is another owner's: nothing may be written or removed there */
export async function assertOwned(store: ObjectStore, plan: Plan, owner: PrefixOwner): Promise<void> {
  const claim = await readClaim(store);
  if (!claim) return;
  refuseOther(store, plan, claim);
  if (claim.owner && !isSameOwner(claim.owner, owner)) throw otherOwnerFailure(store, claim.owner);
}

function refuseOther(store: ObjectStore, plan: Plan, found: Pick<Claim, 'planDigest' | 'dataset'>): void {
  if (found.planDigest !== plan.digest) throw otherPlanFailure(store.uri, found, plan);
}

function otherOwnerFailure(store: ObjectStore, { kind, id, name }: PrefixOwner): Failure {
  const whose = kind === 'Run' ? 'a run of the command line' : `SyntheticDataset ${name ?? '(unnamed)'}`;
  return new Failure(
    'OutputTaken',
    `${store.uri} belongs to ${whose} (${id}), which makes the same plan; nothing was changed: choose another output.uri, or ` +
      `take the prefix over with the annotation ${ADOPT_ANNOTATION}: ${id} (command line: --adopt ${id})`,
  );
}

const foreignFailure = (store: ObjectStore, found: string): Failure =>
  new Failure(
    'OutputTaken',
    `${store.uri} is not empty: ${found}; nothing was changed: choose an empty prefix, or, if these objects are an earlier ` +
      `run's, take them over with the annotation ${ADOPT_ANNOTATION}: ${UNOWNED} (command line: --adopt ${UNOWNED})`,
  );
