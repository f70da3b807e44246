import { useMemo, useRef, useState } from 'preact/hooks';
import type { Tally } from '../../contract/account/tally.ts';
import { grouped, percent } from '../../contract/format.ts';
import { type Markup, quiet } from '../parts/elements.ts';
import { heatMap, type MapAxis, type MapNote, mapCell, scale, shadeClass } from '../parts/map.ts';
import { sumGrid } from '../parts/sums.ts';
import type { DatasetView } from '../wire.ts';
import { Link, useNavigation } from './link.tsx';
import { GATE_TONE, selecting, withValue } from './state.ts';

/** The quota grid as a heat map of two axes. Each cell, row and column is a link that picks its images. */

/** Rows and columns drawn at first; the rest on demand. */
const ROWS = 60;
const COLUMNS = 24;

/** From 0 to 1, what a colour stands for. */
function toneOf(tone: string, most: number): { share: (sum: Tally) => number; low: string; high: string } {
  if (tone === 'acceptance') {
    return { share: ({ accepted, attempts }) => accepted / Math.max(1, attempts), low: '0 %', high: '100 % accepted' };
  }
  if (tone === 'filled')
    return { share: ({ accepted, wanted }) => accepted / Math.max(1, wanted), low: '0 %', high: '100 % of the quota' };
  if (tone.startsWith(GATE_TONE)) {
    const gate = tone.slice(GATE_TONE.length);
    const share = ({ rejected, attempts }: Tally): number => (rejected.get(gate) ?? 0) / Math.max(1, attempts);
    return { share, low: '0 %', high: `100 % rejected by ${gate}` };
  }
  return { share: ({ accepted }) => accepted / Math.max(1, most), low: '0', high: `${grouped(most)} images` };
}

function noteOf(sum: Tally, tone: string): MapNote {
  if (tone === 'filled') return { share: percent(sum.accepted, sum.wanted), meaning: 'of the quota' };
  if (!tone.startsWith(GATE_TONE))
    return { share: percent(sum.accepted, sum.attempts), meaning: 'of attempts accepted' };
  const gate = tone.slice(GATE_TONE.length);
  return { share: percent(sum.rejected.get(gate) ?? 0, sum.attempts), meaning: `rejected by ${gate}` };
}

const NO_NOTE: MapNote = { share: '', meaning: '' };

export function HeatMap({ view }: { view: DatasetView }) {
  const { state, go } = useNavigation();
  const rows = view.axes.find(({ name }) => name === state.rows)!;
  const columns = view.axes.find(({ name }) => name === state.columns) ?? null;
  const [shown, setShown] = useState({ rows: ROWS, columns: COLUMNS });
  const at = useMemo(() => sumGrid(view, rows, columns, state.where), [view, rows, columns, state.where]);
  const rowValues = rows.values.slice(0, shown.rows);
  const columnValues = columns ? columns.values.slice(0, shown.columns) : [''];
  const most = Math.max(
    1,
    ...rows.values.flatMap((_, r) => (columns?.values ?? ['']).map((_, c) => at(r, c)?.accepted ?? 0)),
  );
  const tone = toneOf(state.tone, most);
  const table = useRef<HTMLTableElement>(null);
  const [focused, setFocused] = useState<readonly [number, number]>([0, 0]);
  const pickedColumn = columns ? state.where[columns.name] : undefined;
  const pickedRow = state.where[rows.name];

  const onKeyDown = (event: KeyboardEvent): void => {
    const place = (event.target as HTMLElement).closest('[data-place]')?.getAttribute('data-place');
    const next = place ? neighbour(event.key, place, { rows: rowValues.length, columns: columnValues.length }) : null;
    const link = next && table.current?.querySelector<HTMLElement>(`[data-place="${next}"]`);
    if (!link) return;
    event.preventDefault();
    link.focus();
  };

  const cell = (r: number, c: number): Markup => {
    const [value, column] = [rowValues[r]!, columnValues[c]!];
    const sum = at(r, c);
    const isPicked = pickedRow === value && (columns === null || pickedColumn === column || pickedColumn === undefined);
    const inColumn = pickedRow === undefined && columns !== null && pickedColumn === column;
    return mapCell({
      sum,
      note: sum ? noteOf(sum, state.tone) : NO_NOTE,
      classes: [...(sum ? [shadeClass(tone.share(sum))] : []), ...(isPicked || inColumn ? ['picked'] : [])],
      wrap: (content) => (
        <Link
          to={selecting(state, withValue(withValue(state.where, rows.name, value), columns?.name ?? '', column))}
          tabIndex={focused[0] === r && focused[1] === c ? 0 : -1}
          current={isPicked || inColumn}
          place={`${r}-${c}`}
          onFocus={() => setFocused([r, c])}
        >
          {quiet(`${columns ? `${value}, ${column}` : value}: `)}
          {content}
        </Link>
      ),
    });
  };

  return (
    <>
      <div class="scroll">
        {heatMap({
          rows: { name: rows.name, values: rowValues },
          columns: columns && { name: columns.name, values: columnValues },
          cell,
          label: (axis, value) => (
            <AxisLink axis={axis} value={value} other={axis.name === rows.name ? columns : rows} />
          ),
          // Cells are walked with arrow keys, as in a grid.
          attributes: { role: 'grid', ref: table, onKeyDown, 'aria-describedby': 'map-help' },
        })}
      </div>
      {scale(tone)}
      <p class="note" id="map-help">
        Pick a combination, a row or a column to see its images; arrow keys move, Enter picks.
      </p>
      <p class="more">
        {rows.values.length > shown.rows && (
          <button type="button" onClick={() => setShown({ ...shown, rows: shown.rows + ROWS })}>
            More rows ({grouped(rows.values.length - shown.rows)} left)
          </button>
        )}
        {columns && columns.values.length > shown.columns && (
          <button type="button" onClick={() => setShown({ ...shown, columns: shown.columns + COLUMNS })}>
            More columns ({grouped(columns.values.length - shown.columns)} left)
          </button>
        )}
        {(pickedRow !== undefined || pickedColumn !== undefined) && (
          <button
            type="button"
            onClick={() =>
              go(selecting(state, withValue(withValue(state.where, rows.name, null), columns?.name ?? '', null)))
            }
          >
            Show all combinations
          </button>
        )}
      </p>
    </>
  );
}

function neighbour(key: string, place: string, { rows, columns }: { rows: number; columns: number }): string | null {
  const [row, column] = place.split('-').map(Number) as [number, number];
  const moves: Readonly<Record<string, readonly [number, number]>> = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [row, 0],
    End: [row, columns - 1],
    PageUp: [0, column],
    PageDown: [rows - 1, column],
  };
  const next = moves[key];
  return next && next[0] >= 0 && next[1] >= 0 ? `${next[0]}-${next[1]}` : null;
}

/** A row's or column's name, which picks all of it; again, none of it. */
function AxisLink({ axis, value, other }: { axis: MapAxis; value: string; other: MapAxis | null }) {
  const { state } = useNavigation();
  const isPicked = state.where[axis.name] === value && (other === null || state.where[other.name] === undefined);
  const alone = withValue(withValue(state.where, other?.name ?? '', null), axis.name, isPicked ? null : value);
  return (
    <Link to={selecting(state, alone)} current={isPicked} label={`${axis.name} ${value}, all images`}>
      {value}
    </Link>
  );
}
