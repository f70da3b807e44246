import { configMapName, DATASET_FILE, type Role } from '../../contract/cluster.ts';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { ADOPT_ANNOTATION, PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { Owner } from '../observed.ts';
import { ownerReference, ownLabels } from './owner.ts';

/** The immutable ConfigMap from which pods of a role read their dataset. Another content is another ConfigMap. */
export function buildConfigMap(owner: Owner, dataset: SyntheticDataset, role: Exclude<Role, 'train'>): KubeObject {
  const text = canonicalJson(RESOURCE_FOR[role](dataset));
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

const RESOURCE_FOR = {
  workers: resourceForWorkers,
  publish: resourceForPublishing,
  cleanup: resourceForCleanup,
} satisfies Record<Exclude<Role, 'train'>, (dataset: SyntheticDataset) => object>;

/**
 * What workers need of the resource: all that decides bytes, where they go, and how a worker works. Left out is what may
 * change without a restart of them: how many there are, how the dataset is published, and what it is trained for.
 */
function resourceForWorkers({ apiVersion, kind, metadata, spec }: SyntheticDataset) {
  const { seed, extends: parent, quota, prompt, output, workers } = spec;
  const model = withGpus(spec);
  const { onExhausted: _, ...quality } = spec.quality;
  const { batchSize, checkpointSamples } = workers;
  const { name, namespace } = metadata;
  const adoptFrom = annotationsOf(metadata)[ADOPT_ANNOTATION];
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(adoptFrom !== undefined && { annotations: { [ADOPT_ANNOTATION]: adoptFrom } }),
    },
    spec: {
      seed,
      ...(parent && { extends: parent }),
      quota,
      prompt,
      model,
      quality,
      output,
      workers: { batchSize, checkpointSamples },
    },
  };
}

/** GPUs that are asked for are used, or the pod says why it cannot: one that samples on the CPU would hold its GPU for days. */
const withGpus = ({ model, workers }: SyntheticDataset['spec']) =>
  workers.gpus > 0 && model.executionProvider === 'auto' ? { ...model, executionProvider: 'cuda' as const } : model;

/** The same, with how it is published. */
function resourceForPublishing(dataset: SyntheticDataset) {
  const { metadata, spec, ...rest } = resourceForWorkers(dataset);
  const annotations = annotationsOf(dataset.metadata);
  const published = Object.values(PUBLICATION_ANNOTATIONS).filter((name) => Object.hasOwn(annotations, name));
  return {
    ...rest,
    metadata: { ...metadata, annotations: Object.fromEntries(published.map((name) => [name, annotations[name]])) },
    spec: { ...spec, quality: dataset.spec.quality },
  };
}

/** The same, with the stages whose results may be removed. */
function resourceForCleanup(dataset: SyntheticDataset) {
  const { spec, ...rest } = resourceForWorkers(dataset);
  const { training } = dataset.spec;
  return { ...rest, spec: { ...spec, ...(training && { training }) } };
}

const annotationsOf = (metadata: SyntheticDataset['metadata']) =>
  (metadata.annotations ?? {}) as Readonly<Record<string, unknown>>;
