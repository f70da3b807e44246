import type { ScoreView } from '../../browse/wire.ts';
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
      const { low, high } = boundsOf(gate, exact);
      return {
        gate: gate.name,
        score,
        type: gate.type,
        low,
        high,
        within: score !== null && low <= score && score <= high,
      };
    });
}

function boundsOf(gate: Gate, exact: Readonly<Record<string, number>>): { low: number; high: number } {
  if (gate.type === 'Classifier') return { low: gate.minProbability, high: 1 };
  const [wanted, tolerance] = [exact[gate.axis] ?? 0, gate.tolerance ?? 0];
  return { low: wanted - tolerance, high: wanted + tolerance };
}
