import { hasModel } from './gates/gate-types.ts';
import type { SyntheticDataset } from './schema/spec.ts';

/** OpenLineage events of a run: which model and tables went in, which dataset came out (https://openlineage.io, spec 2-0-2). */

const SPEC = 'https://openlineage.io/spec';
const FACETS = `${SPEC}/facets`;

/** A folder or file, as OpenLineage names it, with the digest of this version. */
export interface LineagePlace {
  /** s3://bucket/prefix, or an absolute path. */
  readonly uri: string;
  readonly version?: string;
}

export interface LineageRun {
  /** A UUID. */
  readonly id: string;
  /** The namespace of the job. */
  readonly namespace: string;
  /** The name of the dataset. */
  readonly name: string;
  readonly inputs: readonly LineagePlace[];
  readonly output: LineagePlace;
  /** The version of CohortFarm. */
  readonly version: string;
}

export type LineageState =
  | { readonly type: 'START' | 'RUNNING' }
  | { readonly type: 'COMPLETE'; readonly output: LineageStatistics }
  | { readonly type: 'FAIL' | 'ABORT'; readonly message: string };

/** The size of a complete dataset. */
export interface LineageStatistics {
  readonly images: number;
  readonly shards: number;
  /** Bytes of all shards; left out where they are not known. */
  readonly bytes?: number;
}

/** The inputs that a spec names: model, gates, tables and the manifest that it extends, with the digests that are known. */
export function lineageInputs(
  { spec }: SyntheticDataset,
  { place = (uri) => uri, model, parent }: LineageKnowledge = {},
): LineagePlace[] {
  const at = (uri: string | undefined, version?: string): LineagePlace[] =>
    uri === undefined ? [] : [{ uri: place(uri), ...(version !== undefined && { version }) }];
  const { cohort, table, evaluation } = spec.quota.allocation;
  const tables = [cohort?.uri, table?.uri, evaluation?.uri, spec.prompt.impressionsFrom?.uri];
  return [
    ...at(spec.model.uri, model),
    ...spec.quality.gates.filter(hasModel).flatMap(({ modelUri }) => at(modelUri)),
    ...tables.flatMap((uri) => at(uri)),
    ...at(spec.extends?.manifest, parent).map(folderOf),
  ];
}

/** The dataset of a manifest, named as the run that made it names its output. */
const folderOf = ({ uri, ...rest }: LineagePlace): LineagePlace => ({ ...rest, uri: uri.replace(/\/+[^/]*$/, '') });

export interface LineageKnowledge {
  /** A URI of the spec as others can read it. */
  readonly place?: (uri: string) => string;
  /** SHA-256 of the model. */
  readonly model?: string;
  /** SHA-256 of the manifest that is extended. */
  readonly parent?: string;
}

/** The event for a state of a run. @param time in ISO 8601 */
export function lineageEvent(run: LineageRun, state: LineageState, time: string): object {
  const producer = `https://cohortfarm.dev/${run.version}`;
  const facet = (name: string, version: string, fields: object): object => ({
    _producer: producer,
    _schemaURL: `${FACETS}/${version}/${name}.json#/$defs/${name}`,
    ...fields,
  });
  const dataset = ({ uri, version }: LineagePlace): object => ({
    ...placeOf(uri),
    facets: version ? { version: facet('DatasetVersionDatasetFacet', '1-0-1', { datasetVersion: version }) } : {},
  });
  const failed = 'message' in state && {
    errorMessage: facet('ErrorMessageRunFacet', '1-0-1', { message: state.message, programmingLanguage: 'JAVASCRIPT' }),
  };
  const statistics = 'output' in state && {
    outputStatistics: facet('OutputStatisticsOutputDatasetFacet', '1-0-2', statisticsOf(state.output)),
  };
  const engine = { name: 'cohortfarm', version: run.version };
  const kind = { processingType: 'BATCH', integration: 'COHORTFARM', jobType: 'RUN' };
  return {
    eventTime: time,
    eventType: state.type,
    producer,
    schemaURL: `${SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
    run: {
      runId: run.id,
      facets: { processing_engine: facet('ProcessingEngineRunFacet', '1-1-1', engine), ...failed },
    },
    job: {
      namespace: run.namespace,
      name: run.name,
      facets: { jobType: facet('JobTypeJobFacet', '2-0-4', kind) },
    },
    inputs: run.inputs.map((place) => ({ ...dataset(place), inputFacets: {} })),
    outputs: [{ ...dataset(run.output), outputFacets: statistics || {} }],
  };
}

const statisticsOf = ({ images, shards, bytes }: LineageStatistics): object => ({
  rowCount: images,
  ...(bytes !== undefined && { size: bytes }),
  fileCount: shards,
});

/** Names as OpenLineage's naming conventions have them; one for a folder, with a slash at its end or without. */
function placeOf(place: string): { namespace: string; name: string } {
  const uri = place.replace(/(?<=[^/])\/+$/, '');
  const [, bucket, key] = /^(s3:\/\/[^/]+)\/?(.*)$/.exec(uri) ?? [];
  if (bucket !== undefined) return { namespace: bucket, name: key || '/' };
  return { namespace: 'file', name: uri.replace(/^file:\/\//, '') || '/' };
}
