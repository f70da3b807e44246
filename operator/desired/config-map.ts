import { configMapName, DATASET_FILE } from '../../contract/cluster.ts';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { Owner } from '../observed.ts';
import { ownerReference, ownLabels } from './owner.ts';

/** The immutable ConfigMap from which pods read their dataset. Another content is another ConfigMap. */
export function buildConfigMap(owner: Owner, dataset: SyntheticDataset): KubeObject {
  const text = canonicalJson(resourceForPods(dataset));
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: configMapName(owner.name, sha256(text)),
      namespace: owner.namespace,
      labels: ownLabels(owner),
      ownerReferences: [ownerReference(owner)],
    },
    immutable: true,
    data: { [DATASET_FILE]: text },
  };
}

/**
 * What pods need of the resource: all that decides bytes, how it is published, and how a worker works. How many workers
 * there are is left out: scaling must not change the pods.
 */
function resourceForPods({ apiVersion, kind, metadata, spec }: SyntheticDataset) {
  const annotations = (metadata.annotations ?? {}) as Readonly<Record<string, unknown>>;
  const published = Object.values(PUBLICATION_ANNOTATIONS).filter((name) => Object.hasOwn(annotations, name));
  const { seed, quota, prompt, model, quality, output, workers } = spec;
  const { batchSize, checkpointSamples } = workers;
  return {
    apiVersion,
    kind,
    metadata: {
      name: metadata.name,
      ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      ...(published.length > 0 && {
        annotations: Object.fromEntries(published.map((name) => [name, annotations[name]])),
      }),
    },
    spec: { seed, quota, prompt, model, quality, output, workers: { batchSize, checkpointSamples } },
  };
}
