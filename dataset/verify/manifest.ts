import { type CellTallies, totals } from '../../contract/account/tally.ts';
import { canonicalJson } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import { cellRecord } from '../../contract/plan/grid.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { Rebuilt } from './rebuild.ts';

/** Everything that a manifest states, recomputed from the plan and the records. */

/** The published files beside the shards: each must be listed, and nothing else. */
export const FILES: readonly string[] = [objects.index, objects.wids, objects.croissant, objects.card, objects.report];

/** Sums of the records of the shards that could be read. */
export interface Recount {
  readonly tallies: CellTallies;
  readonly providers: ReadonlySet<string>;
}

export function manifestFaults(manifest: Manifest, rebuilt: Rebuilt, recount: Recount): string[] {
  const faults: string[] = [];
  const same = (what: string, found: unknown, expected: unknown): void => {
    if (canonicalJson(found) !== canonicalJson(expected))
      faults.push(`${what} is ${canonicalJson(found)}, not ${canonicalJson(expected)}`);
  };
  const { dataset, model, plan, samples } = manifest;
  const tallies = recount.tallies.values();
  const { rejected, ...counts } = totals(tallies);
  const sums = new Map(tallies.map((tally) => [tally.cell, tally]));
  for (const field of ['wanted', 'accepted', 'exhausted', 'attempts'] as const)
    if (samples[field] !== counts[field])
      faults.push(`samples.${field} is ${samples[field]}, the records add up to ${counts[field]}`);
  same('samples.wanted', samples.wanted, rebuilt.samples);
  same('rejected', manifest.rejected, rejected);
  same('providers', manifest.providers, [...recount.providers].sort());
  const { grid, quotas } = rebuilt.plan.allocation;
  const nothing = { accepted: 0, exhausted: 0, attempts: 0, rejected: {} };
  same('the number of cells', manifest.cells.length, grid.cells.length);
  for (const [i, cell] of grid.cells.entries()) {
    const expected = {
      ...nothing,
      ...sums.get(cell.id),
      cell: cell.id,
      axes: cellRecord(grid, cell),
      wanted: quotas[i]!,
    };
    const found = manifest.cells[i] ?? {};
    if (canonicalJson(found) !== canonicalJson(expected))
      faults.push(`cells[${i}] is ${canonicalJson(found)}, not ${canonicalJson(expected)}`);
    sums.delete(cell.id);
  }
  for (const cell of sums.keys()) faults.push(`the records name cell ${cell}, which the plan does not have`);
  same('files', manifest.files.map(({ key }) => key).sort(), [...FILES].sort());
  same('name', manifest.name, plan.name);
  same('dataset.metadata.name', dataset.metadata.name, plan.name);
  same('model.uri', model.uri, dataset.spec.model.uri);
  if (dataset.spec.model.sha256 !== undefined)
    same('dataset.spec.model.sha256', dataset.spec.model.sha256, model.digest);
  const gates = (plan.quality as { gates?: readonly { digest?: string }[] }).gates ?? [];
  for (const [i, { sha256 }] of dataset.spec.quality.gates.entries())
    if (sha256 !== undefined) same(`dataset.spec.quality.gates[${i}].sha256`, sha256, gates[i]?.digest);
  const { index: first } = rebuilt.plan.origin;
  const covered = manifest.shards.every(
    (shard, i) => shard.start === (manifest.shards[i - 1]?.end ?? first) && shard.end > shard.start,
  );
  if (!covered || (manifest.shards.at(-1)?.end ?? 0) !== first + rebuilt.samples)
    faults.push('the shards do not cover the samples without gaps');
  return faults;
}
