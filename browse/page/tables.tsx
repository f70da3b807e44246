import type { DatasetView, TrainingView } from '../../contract/browse.ts';
import { Link, useNavigation } from './link.tsx';
import { selecting } from './state.ts';
import { hardestCells, type Sum, valuesOf } from './sums.ts';
import { grouped, percent, short } from './words.ts';

/** What the counts say about gates and cells of the selection, and what came of training. */

export function Gates({ view, sum }: { view: DatasetView; sum: Sum }) {
  const shown = view.gates.filter(({ axis, name }) => axis !== null || (sum.rejected.get(name) ?? 0) > 0);
  if (shown.length === 0) return <p class="empty">There are no gates: every image was accepted unseen.</p>;
  return (
    <div class="scroll">
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
    </div>
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
    <div class="scroll">
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
    </div>
  );
}

export function Training({ models }: { models: readonly TrainingView[] }) {
  const metrics = [...new Set(models.flatMap((model) => Object.keys(model.metrics)))];
  return (
    <div class="scroll">
      <table>
        <caption>From training/NAME/metrics.json; a dash where a model has no such number.</caption>
        <thead>
          <tr>
            <th scope="col">Model</th>
            {metrics.map((metric) => (
              <th scope="col" class="number" key={metric}>
                {metric}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {models.map((model) => (
            <tr key={model.name}>
              <th scope="row">{model.name}</th>
              {metrics.map((metric) => (
                <td class="number" key={metric}>
                  {Object.hasOwn(model.metrics, metric) ? short(model.metrics[metric]!) : '–'}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
