import { DEGENERATE } from '../../contract/names.ts';
import { numbers, scroll, table } from '../parts/elements.ts';
import { hardestCells, sumOf } from '../parts/sums.ts';
import { cellTable, gateTable } from '../parts/tables.ts';
import type { DatasetView, EstimateView, ResultView, TrainingView } from '../wire.ts';
import { Link, useNavigation } from './link.tsx';
import { selecting } from './state.ts';
import { short } from './words.ts';

/** What the counts say about gates and cells of the selection, and what came of training. */

export function Gates({ view, cells }: { view: DatasetView; cells: readonly number[] }) {
  const { rejected } = sumOf(view, cells);
  const shown = view.gates.filter(({ name }) => name !== DEGENERATE || rejected.has(name));
  if (shown.length === 0) return <p class="empty">There are no gates: every image was accepted unseen.</p>;
  return gateTable(view, cells, shown);
}

const HARDEST = 10;

export function HardestCells({ view, cells }: { view: DatasetView; cells: readonly number[] }) {
  const { state } = useNavigation();
  const hardest = hardestCells(view, cells, HARDEST);
  if (hardest.length === 0) return <p class="empty">Nothing was generated here yet.</p>;
  const link = (values: Readonly<Record<string, string>>) => (
    <Link to={selecting(state, values)}>{Object.values(values).join(' · ')}</Link>
  );
  return cellTable(view, hardest, {
    caption: 'The cells with the lowest acceptance',
    heads: ['Cell'],
    names: (values) => [link(values)],
  });
}

export function Training({ stages }: { stages: readonly TrainingView[] }) {
  const metrics = [...new Set(stages.flatMap(({ headline }) => Object.keys(headline)))];
  const arms = stages.flatMap((stage) => stage.arms);
  const evaluations = stages.flatMap((stage) => stage.evaluations);
  const headlines = stages.map(({ name, headline, problem }) => [
    <>
      {name}
      {problem !== null && <small class="problem">{problem}</small>}
    </>,
    ...metrics.map((metric) => (Object.hasOwn(headline, metric) ? short(headline[metric]!) : '–')),
  ]);
  return (
    <>
      {scroll(
        'Headline numbers',
        table({
          caption: 'Headline numbers of each stage.',
          columns: [{ name: 'Stage' }, ...metrics.map(numbers)],
          rows: headlines,
        }),
      )}
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
  return scroll(
    caption,
    table({
      caption: `${caption} Below each value its 95 % interval; a dash where it could not be measured.`,
      columns: [{ name: 'Model' }, { name: 'Site' }, ...MEASURES.map(([, name]) => numbers(name))],
      rows: results.map((result) => [
        result.name,
        result.site,
        ...MEASURES.map(([measure]) => <Estimate key={measure} estimate={result[measure]} />),
      ]),
    }),
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
