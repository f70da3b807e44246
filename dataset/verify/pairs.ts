import { PAIR } from '../../contract/names.ts';
import { pairSize } from '../../contract/plan/pairs.ts';
import type { ShardSample } from '../shard/read.ts';
import type { Rebuilt } from './rebuild.ts';

/**
 * The pairs of a shard: all members are there, accepted at the same attempt, and one of them gave the reason for each rejection.
 * That they share all else follows from what every sample must be.
 */
export function pairFaults(samples: readonly ShardSample[], { plan }: Rebuilt): string[] {
  const size = pairSize(plan.spec.quota);
  if (size === 1) return [];
  const byPair = Map.groupBy(samples, ({ record }) => record.pair);
  return [...byPair].flatMap(([pair, members]) => {
    const attempts = members.map(({ record }) => record.attempt);
    const of = `pair ${pair}`;
    if (members.length !== size) return [`${of} has ${members.length} of its ${size} samples`];
    if (new Set(attempts).size > 1) return [`${of} was accepted at attempts ${attempts.join(', ')}, not at one`];
    const unfounded = Array.from({ length: attempts[0]! }, (_, i) => i).filter((i) =>
      members.every(({ record }) => record.rejected[i]?.gate === PAIR),
    );
    return unfounded.map((attempt) => `${of}: no gate rejected attempt ${attempt}`);
  });
}
