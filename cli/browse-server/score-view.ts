import type { ScoreView } from '../../browse/wire.ts';
import { isRecordedWithin, meterScale, passInterval } from '../../contract/gates/gate-types.ts';
import type { Gate } from '../../contract/schema/spec.ts';

/** Gate scores with what they had to be. A score of a gate that the resource does not have is left out. */
export function scoreViews(
  gates: readonly Gate[],
  { scores, exact }: { scores: Readonly<Record<string, number | null>>; exact: Readonly<Record<string, number>> },
): ScoreView[] {
  return gates
    .filter(({ name }) => Object.hasOwn(scores, name))
    .map((gate) => {
      const score = scores[gate.name]!;
      const interval = passInterval(gate, exact[gate.axis] ?? 0);
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
