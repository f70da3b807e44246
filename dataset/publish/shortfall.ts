import { CellTallies, totals } from '../../contract/account/tally.ts';
import { ExhaustedError } from '../../contract/failure.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { readRecords } from './records.ts';

/**
 * Refuses to publish fewer images than the spec asks for while it says `onExhausted: Fail`. The records suffice, so that
 * the shards need not be read first. Nothing is lost: with `Shortfall` the same shards are published.
 * @throws ExhaustedError that names the cell with the most samples without an image, and the gates that rejected them
 */
export async function refuseShortfall(plan: Plan, store: ObjectStore): Promise<void> {
  if (plan.spec.quality.onExhausted === 'Shortfall') return;
  const sum = new CellTallies();
  for await (const { cells } of readRecords(store, plan)) sum.add(cells);
  const tallies = sum.values();
  const { wanted, accepted, exhausted } = totals(tallies);
  if (exhausted === 0) return;
  const worst = tallies.reduce((most, tally) => (tally.exhausted > most.exhausted ? tally : most));
  const gates = Object.entries(worst.rejected).map(([gate, n]) => `${gate} ${n}`);
  throw new ExhaustedError(
    `${exhausted} of ${wanted} samples failed all ${plan.spec.quality.maxAttempts} attempts, most of them (${worst.exhausted}) in cell ${worst.cell} ` +
      `(images rejected there by gate: ${gates.join(', ')}); every shard is committed and nothing is lost: set spec.quality.onExhausted: Shortfall to publish ` +
      `the other ${accepted} images, or create another dataset with a higher spec.quality.maxAttempts, a looser gate, or without that cell`,
  );
}
