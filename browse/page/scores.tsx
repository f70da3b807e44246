import type { ScoreView } from '../wire.ts';
import { short } from './words.ts';

/** Gate scores against what they had to be. */

export function Scores({ scores, refusedBy }: { scores: readonly ScoreView[]; refusedBy?: string }) {
  if (scores.length === 0) return <p class="note">No gate gave a score.</p>;
  return (
    <table class="scores">
      <thead>
        <tr>
          <th scope="col">Gate</th>
          <th scope="col" class="number">
            Score
          </th>
          <th scope="col">Must be</th>
          <th scope="col">
            <span class="quiet">Meter</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {scores.map((score) => {
          const isRefused = score.gate === refusedBy || !score.within;
          return (
            <tr key={score.gate} class={isRefused ? 'fails' : ''}>
              <th scope="row">{score.gate}</th>
              <td class="number">
                <b>{score.score === null ? 'none' : short(score.score)}</b>
              </td>
              <td>
                {bounds(score)}
                {isRefused && <small>{score.gate === refusedBy ? 'refused the image' : 'would refuse it'}</small>}
              </td>
              <td class="meter">
                <Meter {...score} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** `61.2, must be 18 to 50`: what a gate said of an image that it refused; '' when it gave no number. */
export function reasonOf(scores: readonly ScoreView[], gate: string): string {
  const score = scores.find((one) => one.gate === gate);
  return !score || score.score === null ? '' : `${short(score.score)}, must be ${bounds(score)}`;
}

const bounds = ({ low, high, to }: ScoreView): string =>
  high >= to ? `at least ${short(low)}` : `${short(low)} to ${short(high)}`;

/** The range that passes, and the score in it; beyond the ends it stays at the edge. */
function Meter({ score, low, high, from, to }: ScoreView) {
  const x = (value: number): number => 100 * Math.min(1, Math.max(0, (value - from) / (to - from)));
  return (
    <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="4" y="3" />
      <rect class="passing" x={x(low)} width={Math.max(0, x(high) - x(low))} height="4" y="3" />
      {score !== null && <rect class="mark" x={Math.min(98, Math.max(0, x(score) - 1))} width="2" height="10" />}
    </svg>
  );
}
