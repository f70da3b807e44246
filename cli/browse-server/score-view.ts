import type { ScoreView } from '../../browse/wire.ts';
import { isRecordedWithin, meterScale, passInterval } from '../../contract/gates/gate-types.ts';
import { plannedGates } from '../../contract/plan/identity.ts';
import type { Wanted } from '../../dataset/read/source.ts';

/** Gate scores with what they had to be. A score of a gate that the resource does not have is left out. */
export function scoreViews(
  { dataset, plan }: Pick<Wanted, 'dataset' | 'plan'>,
  { scores, exact }: { scores: Readonly<Record<string, number | null>>; exact: Readonly<Record<string, number>> },
): ScoreView[] {
  return plannedGates(dataset.spec.quality.gates, plan)
    .filter(({ gate }) => Object.hasOwn(scores, gate.name))
    .map(({ gate }) => {
      const score = scores[gate.name]!;
      const interval = passInterval(gate, exact);
      const scale = meterScale(gate, interval);
      return {
        gate: gate.name,
        score,
        ...interval,
        from: scale.low,
        to: scale.high,
        within: score !== null && isRecordedWithin(interval, score),
      };
    });
}
