import type { ComponentChildren } from 'preact';
import type { Tally } from '../../contract/account/tally.ts';
import { grouped, percent } from '../../contract/format.ts';
import type { DatasetView, EstimateView, ResultView, TrainingView } from '../wire.ts';
import { Link, useNavigation } from './link.tsx';
import { selecting } from './state.ts';
import { hardestCells, valuesOf } from './sums.ts';
import { short } from './words.ts';

/** What the counts say about gates and cells of the selection, and what came of training. */

/** What may be wider than the screen is scrolled by itself, with the keyboard, too. */
function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it must have the focus to be scrolled
    <section class="scroll" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}

export function Gates({ view, sum }: { view: DatasetView; sum: Tally }) {
  const shown = view.gates.filter(({ axis, name }) => axis !== null || (sum.rejected.get(name) ?? 0) > 0);
  if (shown.length === 0) return <p class="empty">There are no gates: every image was accepted unseen.</p>;
  return (
    <Scroll label="Table of gates">
      <table>
        <caption>An image counts under the first gate that rejected it.</caption>
        <thead>
          <tr>
            <th scope="col">Gate</th>
            <th scope="col">Passes when</th>
            <th scope="col" class="number">
              Rejected
            </th>
            <th scope="col" class="number">
              Of attempts
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ name, rule }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{rule}</td>
              <td class="number">{grouped(sum.rejected.get(name) ?? 0)}</td>
              <td class="number">{percent(sum.rejected.get(name) ?? 0, sum.attempts)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

const HARDEST = 10;

export function HardestCells({ view, cells }: { view: DatasetView; cells: readonly number[] }) {
  const { state } = useNavigation();
  const hardest = hardestCells(view, cells, HARDEST);
  if (hardest.length === 0) return <p class="empty">Nothing was generated here yet.</p>;
  const { accepted, attempts, wanted, rejected } = view.cells;
  const rejectors = (cell: number): string =>
    Object.entries(rejected)
      .map(([gate, counts]): [string, number] => [gate, counts[cell]!])
      .filter(([, n]) => n > 0)
      .sort(([, a], [, b]) => b - a)
      .map(([gate, n]) => `${gate} ${grouped(n)}`)
      .join(', ');
  return (
    <Scroll label="Table of the hardest cells">
      <table>
        <caption>The cells with the lowest acceptance.</caption>
        <thead>
          <tr>
            <th scope="col">Cell</th>
            <th scope="col" class="number">
              Images
            </th>
            <th scope="col" class="number">
              Attempts
            </th>
            <th scope="col" class="number">
              Acceptance
            </th>
            <th scope="col">Rejected by</th>
          </tr>
        </thead>
        <tbody>
          {hardest.map((cell) => {
            const values = valuesOf(view, cell);
            return (
              <tr key={cell}>
                <th scope="row">
                  <Link to={selecting(state, values)}>{Object.values(values).join(' · ')}</Link>
                </th>
                <td class="number">
                  {grouped(accepted[cell]!)}
                  {accepted[cell]! < wanted[cell]! && ` of ${grouped(wanted[cell]!)}`}
                </td>
                <td class="number">{grouped(attempts[cell]!)}</td>
                <td class="number">
                  <b>{percent(accepted[cell]!, attempts[cell]!)}</b>
                </td>
                <td>{rejectors(cell) || '–'}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

export function Training({ stages }: { stages: readonly TrainingView[] }) {
  const metrics = [...new Set(stages.flatMap(({ headline }) => Object.keys(headline)))];
  const arms = stages.flatMap((stage) => stage.arms);
  const evaluations = stages.flatMap((stage) => stage.evaluations);
  return (
    <>
      <Scroll label="Headline numbers">
        <table>
          <caption>Headline numbers of each stage.</caption>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              {metrics.map((metric) => (
                <th scope="col" class="number" key={metric}>
                  {metric}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {stages.map(({ name, headline, problem }) => (
              <tr key={name}>
                <th scope="row">
                  {name}
                  {problem !== null && <small class="problem">{problem}</small>}
                </th>
                {metrics.map((metric) => (
                  <td class="number" key={metric}>
                    {Object.hasOwn(headline, metric) ? short(headline[metric]!) : '–'}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {arms.length > 0 && <Results results={arms} caption="Ways to train, compared." />}
      {evaluations.length > 0 && (
        <details open={arms.length === 0}>
          <summary>Each model at each site</summary>
          <Results results={evaluations} caption="Macro averages over the labels." />
        </details>
      )}
    </>
  );
}

const MEASURES = [
  ['auroc', 'AUROC'],
  ['accuracy', 'Accuracy'],
  ['calibrationError', 'Calibration error'],
  ['underdiagnosis', 'Underdiagnosis'],
  ['gap', 'Gap between groups'],
] as const satisfies readonly (readonly [keyof ResultView, string])[];

function Results({ results, caption }: { results: readonly ResultView[]; caption: string }) {
  return (
    <Scroll label={caption}>
      <table>
        <caption>{caption} Below each value its 95 % interval; a dash where it could not be measured.</caption>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Site</th>
            {MEASURES.map(([measure, name]) => (
              <th scope="col" class="number" key={measure}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {results.map((result, i) => (
            // Two stages may have the same model at the same site.
            <tr key={i}>
              <th scope="row">{result.name}</th>
              <td>{result.site}</td>
              {MEASURES.map(([measure]) => (
                <td class="number" key={measure}>
                  <Estimate estimate={result[measure]} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Estimate({ estimate }: { estimate: EstimateView | null }) {
  if (estimate === null) return '–';
  const { value, low, high } = estimate;
  return (
    <>
      <b>{value.toFixed(3)}</b>
      {low !== null && high !== null && (
        <small>
          {low.toFixed(3)} to {high.toFixed(3)}
        </small>
      )}
    </>
  );
}
