import { API_VERSION, KIND } from '../names.ts';
import { datasetSchema, specSchema } from '../schema/spec.ts';
import { statusSchema } from '../schema/status.ts';
import type { Rules } from '../validate/rule.ts';
import { VALIDATIONS } from '../validate/validations.ts';
import { immutableRules } from './immutable.ts';
import { type Structural, schemaAt, structuralOf } from './structural.ts';

/** The CustomResourceDefinition of `SyntheticDataset`, derived from the schemas. */

const PLURAL = 'syntheticdatasets';
const [GROUP, VERSION] = API_VERSION.split('/') as [string, string];

/**
 * Lists that are sets, or maps by the name of their entries: the API server refuses repetitions in both, and takes another
 * order for the same.
 */
const LISTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'quota.axes.*.values': setList(),
  'quota.axes.*.bins': setList(),
  'quality.gates.[].classes': setList(),
  // What the rule about cells may cost ends here; and an object of the API server holds hardly more.
  'quota.allocation.cells': { maxItems: 40_000 },
  'training.labels': setList(),
  'training.ageBins': setList(),
  'training.compare': setList(),
  'training.synthetic': mapList('name'),
  'training.stages': mapList('name'),
  'training.evaluation.sites': mapList('name'),
};

/** Columns of `kubectl get`; there is no phase, each column reads the condition or number that it is named for. */
const COLUMNS = [
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
  { name: 'Accepted', type: 'integer', jsonPath: '.status.samples.accepted', description: 'Images accepted so far' },
  { name: 'Wanted', type: 'integer', jsonPath: '.status.samples.wanted', description: 'Images that the plan asks for' },
  { name: 'Percent', type: 'integer', jsonPath: '.status.percent' },
  { name: 'Rate', type: 'number', jsonPath: '.status.imagesPerSecond', description: 'Accepted images in each second' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
] as const;

/** The whole manifest, in the order in which it is written. */
export function datasetDefinition() {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${GROUP}` },
    spec: {
      group: GROUP,
      names: {
        kind: KIND,
        listKind: `${KIND}List`,
        plural: PLURAL,
        singular: KIND.toLowerCase(),
        shortNames: ['sds'],
        categories: ['all'],
      },
      scope: 'Namespaced',
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.workers.replicas',
              statusReplicasPath: '.status.usage.workers',
              labelSelectorPath: '.status.selector',
            },
          },
          additionalPrinterColumns: COLUMNS,
          schema: { openAPIV3Schema: resourceSchema() },
        },
      ],
    },
  };
}

function resourceSchema(): Structural {
  return {
    description: 'A synthetic imaging cohort: how many images of whom with what findings, and what has become of them.',
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { description: 'cohortfarm.dev/v1alpha1', type: 'string' },
      kind: { description: KIND, type: 'string' },
      // The API server has a description of its own for it, and takes no other.
      metadata: { type: 'object', properties: { name: nameSchema() } },
      spec: withRules(
        { description: 'What is wanted', ...structuralOf(specSchema) },
        ...VALIDATIONS.map(({ cel }) => cel),
      ),
      status: withConditionKeys({ description: 'What has become of it', ...structuralOf(statusSchema) }),
    },
  };
}

function nameSchema(): Structural {
  return structuralOf(datasetSchema.shape.metadata.shape.name.describe('Also names shards and Jobs'));
}

/** Adds the rules at their paths, and the types of lists. */
function withRules(spec: Structural, ...tables: readonly Rules[]): Structural {
  for (const [path, keywords] of Object.entries(LISTS)) Object.assign(schemaAt(spec, path), keywords);
  // The transition rules depend on which lists are sets.
  const all = [immutableRules(spec), ...tables];
  for (const [path, rules] of all.flatMap((table) => Object.entries(table))) {
    const schema = schemaAt(spec, path);
    schema['x-kubernetes-validations'] = [...((schema['x-kubernetes-validations'] as Rules[string]) ?? []), ...rules];
  }
  return spec;
}

/** Conditions are kept by type, so that two writers do not remove each other's. */
function withConditionKeys(status: Structural): Structural {
  Object.assign(schemaAt(status, 'conditions'), mapList('type'));
  Object.assign(schemaAt(status, 'stages'), mapList('name'));
  return status;
}

function setList() {
  return { 'x-kubernetes-list-type': 'set' };
}

function mapList(key: string) {
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] };
}
