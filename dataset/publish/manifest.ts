import { sumTallies, totals } from '../../contract/account/tally.ts';
import { API_VERSION, KIND, objects, PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import { cellRecord } from '../../contract/plan/grid.ts';
import type { PlannedQuality } from '../../contract/plan/identity.ts';
import { originAfter, type Parent } from '../../contract/plan/origin.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import type { Manifest, Outline } from '../../contract/schema/manifest.ts';
import type { CellTally, ShardRecord } from '../../contract/schema/record.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { relativePlace } from '../parent.ts';
import { DatasetError } from './records.ts';

/** The manifest: what the plan wanted, what the records say came of it, and the resource without its secrets. */

/** All of a manifest but the list of published files, from which those files are made. */
export type Draft = Omit<Manifest, 'files'>;

/** A shard as the manifest lists it. */
export type ShardEntry = Manifest['shards'][number];

export const shardEntry = ({ key, bytes, sha256, start, end, accepted, shard }: ShardRecord): ShardEntry => ({
  key,
  bytes,
  sha256,
  start,
  end,
  accepted,
  record: objects.record(shard),
});

/** The records of all shards, folded. */
export interface Counted {
  readonly shards: readonly ShardEntry[];
  readonly tallies: readonly CellTally[];
  readonly providers: ReadonlySet<string>;
}

/** @throws DatasetError when a cell's samples are not accounted for */
export function draftManifest(context: {
  plan: Plan;
  dataset: SyntheticDataset;
  version: string;
  counted: Counted;
  /** Absolute URI of the dataset, from which its parent has a place. */
  uri?: string;
}): Draft {
  const { plan, dataset, version, counted, uri = '' } = context;
  const parent = plan.parent && parentEntry(plan.parent, uri);
  const cells = cellsOf(plan, counted.tallies);
  const { wanted, accepted, exhausted, attempts, rejected } = totals(cells);
  return {
    apiVersion: 'cohortfarm.dev/manifest/v1',
    name: plan.name,
    synthetic: true,
    generator: { name: 'cohortfarm', version },
    planDigest: plan.digest,
    plan: { ...plan.identity, quotas: { ...plan.identity.quotas } },
    ...(parent && { parent }),
    model: modelOf(plan),
    providers: [...counted.providers].sort(),
    samples: { wanted, accepted, exhausted, attempts },
    rejected: { ...rejected },
    cells,
    shards: [...counted.shards],
    dataset: publicDataset(dataset, parent?.manifest),
  };
}

function parentEntry({ manifest, sha256, uri: place }: Parent, uri: string): NonNullable<Manifest['parent']> {
  const { index: samples } = originAfter({ manifest, sha256 });
  return { manifest: relativePlace(uri, place), sha256, name: manifest.name, samples };
}

function modelOf({ spec, model, sampling }: Plan): Manifest['model'] {
  const { scheduler, height, width } = sampling;
  return { uri: publicUri(spec.model.uri), digest: model.digest, scheduler, height, width };
}

/** The wanted counts, for a reader who comes before the manifest. */
export function outlineOf(plan: Plan): Outline {
  const { grid, quotas } = plan.allocation;
  const { encoder } = plan.identity.quality as PlannedQuality;
  return {
    apiVersion: 'cohortfarm.dev/outline/v1',
    name: plan.name,
    planDigest: plan.digest,
    model: modelOf(plan),
    ...(encoder !== undefined && { encoder }),
    ...(plan.origin.index > 0 && { first: plan.origin.index }),
    cells: grid.cells.map((cell, i) => ({ cell: cell.id, axes: cellRecord(grid, cell), wanted: quotas[i]! })),
    dataset: publicDataset({ apiVersion: API_VERSION, kind: KIND, metadata: { name: plan.name }, spec: plan.spec }),
  };
}

/** The tallies in order of the grid, with cells of which nothing was wanted. */
function cellsOf({ allocation }: Plan, tallies: readonly CellTally[]): Manifest['cells'] {
  const byCell = new Map(sumTallies(tallies).map((tally) => [tally.cell, tally]));
  const cells = allocation.grid.cells.map((cell, i) => {
    const tally = byCell.get(cell.id) ?? { wanted: 0, accepted: 0, exhausted: 0, attempts: 0, rejected: {} };
    byCell.delete(cell.id);
    if (tally.wanted !== allocation.quotas[i]) {
      throw new DatasetError(
        objects.records,
        `account for ${tally.wanted} samples of cell ${cell.id}, the plan wants ${allocation.quotas[i]}`,
      );
    }
    return { ...tally, cell: cell.id, axes: cellRecord(allocation.grid, cell) };
  });
  const [stranger] = byCell.keys();
  if (stranger !== undefined)
    throw new DatasetError(objects.records, `names cell ${stranger}, which the plan does not have`);
  return cells;
}

/**
 * The resource as anyone may read it. Farm settings, training and the cluster's metadata stay out: they decide no byte of an
 * image and may hold anything, such as secrets in environment variables. So does a local output folder, which means nothing
 * to others and would make a moved dataset another one. Of other paths of this machine the last name stays.
 */
export function publicDataset(
  { apiVersion, kind, metadata, spec }: SyntheticDataset,
  parent?: string,
): SyntheticDataset {
  const { seed, quota, prompt, model, quality, output } = spec;
  const manifest = spec.extends && (parent ?? publicUri(spec.extends.manifest));
  const uri = /^s3:/i.test(output.uri) ? output.uri : '.';
  const annotations = publicationAnnotations(metadata);
  const published = {
    apiVersion,
    kind,
    metadata: { name: metadata.name, ...(Object.keys(annotations).length > 0 && { annotations }) },
    spec: {
      seed,
      quota,
      prompt,
      model,
      quality,
      output: { ...output, uri },
      ...(manifest !== undefined && { extends: { manifest } }),
    },
  };
  // A reader of the manifest gets the defaults of absent fields from the schema.
  return withoutCredentials(published) as SyntheticDataset;
}

const PUBLIC_ANNOTATIONS: ReadonlySet<string> = new Set(Object.values(PUBLICATION_ANNOTATIONS));

/** The annotations that describe the publication. */
function publicationAnnotations({ annotations }: SyntheticDataset['metadata']): Record<string, unknown> {
  return Object.fromEntries(Object.entries(annotations ?? {}).filter(([name]) => PUBLIC_ANNOTATIONS.has(name)));
}

/** Drops `user:password@` from a URI. */
export const withoutUserinfo = (uri: string): string => uri.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#\s]*@/i, '$1');

const URI_FIELDS: ReadonlySet<string> = new Set(['uri', 'modelUri', 'endpoint']);

/** A URI without credentials; of a path that leads anywhere on this machine only the last name, which says what it is. */
function publicUri(uri: string): string {
  const path = /^file:/i.test(uri) ? uri.slice('file:'.length) : uri;
  const isInside = path === uri && !path.startsWith('/') && !path.split('/').includes('..');
  const isLocal = !/^[a-z][a-z0-9+.-]+:/i.test(path);
  return !isLocal || isInside ? withoutUserinfo(uri) : (/([^/]+)\/*$/.exec(path)?.[1] ?? '.');
}

/** A copy in which no field that holds a URI has userinfo, or a path of this machine. */
function withoutCredentials(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCredentials);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, member]) => [
    name,
    typeof member === 'string' && URI_FIELDS.has(name) ? publicUri(member) : withoutCredentials(member),
  ]);
  return Object.fromEntries(entries);
}
