import { API_VERSION } from '../contract/names.ts';

/** The kinds that the operator knows. All but TokenReviews live in namespaces. */

export interface Resource {
  /** Group and version, or only the version of the core group. */
  readonly apiVersion: string;
  readonly plural: string;
}

export const RESOURCES = {
  SyntheticDataset: { apiVersion: API_VERSION, plural: 'syntheticdatasets' },
  Job: { apiVersion: 'batch/v1', plural: 'jobs' },
  Pod: { apiVersion: 'v1', plural: 'pods' },
  Service: { apiVersion: 'v1', plural: 'services' },
  ConfigMap: { apiVersion: 'v1', plural: 'configmaps' },
  Event: { apiVersion: 'events.k8s.io/v1', plural: 'events' },
  Lease: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases' },
  /** Asked, never stored. */
  TokenReview: { apiVersion: 'authentication.k8s.io/v1', plural: 'tokenreviews' },
  /** A kind of Kubeflow Trainer, which may not be installed. */
  TrainJob: { apiVersion: 'trainer.kubeflow.org/v1alpha1', plural: 'trainjobs' },
  /** A kind of Kueue, which may not be installed. */
  Workload: { apiVersion: 'kueue.x-k8s.io/v1beta2', plural: 'workloads' },
} as const satisfies Record<string, Resource>;

export type Kind = keyof typeof RESOURCES;

/** Path of a collection, of all namespaces or of one. */
export function collectionPath(kind: Kind, namespace?: string): string {
  const { apiVersion, plural } = RESOURCES[kind];
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return !namespace ? `${root}/${plural}` : `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}

export function objectPath(ref: { kind: Kind; namespace: string; name: string }): string {
  return `${collectionPath(ref.kind, ref.namespace)}/${encodeURIComponent(ref.name)}`;
}

/**
 * The kind of an object.
 * @throws Error for one that is not in the table, or of another version: a mistake in this program
 */
export function kindOf(object: { readonly apiVersion: string; readonly kind: string }): Kind {
  const kind = object.kind as Kind;
  if (RESOURCES[kind]?.apiVersion === object.apiVersion) return kind;
  throw new Error(`${object.apiVersion} ${object.kind} is not in kube/resources.ts`);
}
