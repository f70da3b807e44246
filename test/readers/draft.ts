import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { type Draft, draftManifest } from '../../dataset/publish/manifest.ts';
import { planOf, smallDataset } from '../support/dataset.ts';

/** A manifest as publishing would draft it, with invented counts, for tests of what is rendered from one. */
export function draftOf(dataset: SyntheticDataset = smallDataset()): Draft {
  const plan = planOf(dataset);
  const gates = plan.spec.quality.gates.map(({ name }) => name);
  const tallies = plan.allocation.grid.cells.map(({ id }, i) => {
    const wanted = plan.allocation.quotas[i]!;
    const exhausted = Math.min(wanted, i % 5 === 4 ? 1 : 0);
    const rejected = Object.fromEntries(gates.map((gate, k) => [gate, (i + k) % 4]));
    const refused = Object.values(rejected).reduce((sum, n) => sum + n, 0);
    return {
      cell: id,
      wanted,
      accepted: wanted - exhausted,
      exhausted,
      attempts: wanted - exhausted + refused,
      rejected,
    };
  });
  const shards = Array.from({ length: plan.shards }, (_, shard) => {
    const start = shard * plan.spec.output.shard.samples;
    const end = Math.min(plan.samples, start + plan.spec.output.shard.samples);
    const key = `shards/${plan.name}-${String(shard).padStart(6, '0')}.tar`;
    const record = `records/${String(shard).padStart(6, '0')}.json`;
    return {
      key,
      record,
      bytes: 10_240 * (shard + 1),
      sha256: String(shard % 10).repeat(64),
      start,
      end,
      accepted: end - start,
    };
  });
  return draftManifest({ plan, dataset, version: '0.1.0', counted: { shards, tallies, providers: new Set(['cpu']) } });
}
