import { type DatasetView, WHERE } from '../wire.ts';

/** The state of the page, as its URL holds it: every view has its own link. */

export interface State {
  /** Axes of the heat map; '' across a grid of one axis. */
  readonly rows: string;
  readonly columns: string;
  /** The meaning of its colour: images, filled, acceptance, or the name of a gate after `gate:`. */
  readonly tone: string;
  /** Values kept, by axis. On the axes of the map they say what is picked, on others what is summed. */
  readonly where: Readonly<Record<string, string>>;
  readonly page: number;
  /** The images as pages, as a map by their features, or those that look copied. */
  readonly show: Show;
  /** The axis whose values colour the map; '' for none. */
  readonly by: string;
  /** The image in the viewer. */
  readonly image: string | null;
  readonly rejected: string | null;
}

export const SHOWS = ['images', 'map', 'suspicious'] as const;
export type Show = (typeof SHOWS)[number];

/** Most values of an axis for which there are colours. */
export const MAX_COLOURS = 6;

/** The part of a dataset that decides which states there are. */
type Known = Pick<DatasetView, 'axes' | 'gates' | 'hasFeatures'>;

/** Axes whose values can colour a map. */
export const colourable = ({ axes }: Pick<Known, 'axes'>): string[] =>
  axes.flatMap(({ name, values }) => (values.length > 1 && values.length <= MAX_COLOURS ? [name] : []));

export const TONES = ['images', 'filled', 'acceptance'] as const;
export const GATE_TONE = 'gate:';

/** Reads the query of a URL. What the dataset does not have is left out, so that any URL shows something. */
export function readState(search: string, view: Known): State {
  const { axes, gates, hasFeatures } = view;
  const query = new URLSearchParams(search);
  const names = axes.map(({ name }) => name);
  const { rows, columns } = readAxes(query, axes);
  const where = axes.flatMap(({ name, values }) => {
    const value = query.get(WHERE + name);
    return value !== null && values.includes(value) ? [[name, value] as const] : [];
  });
  const tone = query.get('colour') ?? '';
  const isTone =
    TONES.some((known) => known === tone) || gates.some(({ name }) => tone === GATE_TONE + name) || names.length === 0;
  return {
    rows,
    columns,
    tone: isTone ? tone : TONES[0],
    where: Object.fromEntries(where),
    page: readPage(query),
    show: SHOWS.find((known) => hasFeatures && known === query.get('show')) ?? SHOWS[0],
    by: colourable(view).find((name) => name === query.get('by')) ?? '',
    image: matching(query.get('image'), /^\d{9,10}$/),
    rejected: matching(query.get('rejected'), /^\d{6,}\/\d{4,}$/),
  };
}

/** In a URL the first page is 1. */
function readPage(query: URLSearchParams): number {
  const page = Number(query.get('page') ?? '1');
  return Number.isInteger(page) && page >= 1 && page <= 1e9 ? page - 1 : 0;
}

/** The selection of a URL, before the contents of the dataset are known. */
export function rawSelection(search: string): Pick<State, 'where' | 'page'> {
  const query = new URLSearchParams(search);
  const where = [...query].flatMap(([name, value]) =>
    name.startsWith(WHERE) ? [[name.slice(WHERE.length), value] as const] : [],
  );
  return { where: Object.fromEntries(where), page: readPage(query) };
}

const matching = (text: string | null, pattern: RegExp): string | null =>
  text !== null && pattern.test(text) ? text : null;

/** The axes asked for; else the first two, the one with fewer values across, since screens are narrow. */
function readAxes(query: URLSearchParams, axes: DatasetView['axes']): { rows: string; columns: string } {
  const known = (name: string | null): string | null => (axes.some((axis) => axis.name === name) ? name : null);
  const [first, second] = axes;
  const [high, low] = first && second && first.values.length < second.values.length ? [second, first] : [first, second];
  const rows = known(query.get('rows')) ?? high?.name ?? '';
  const asked = known(query.get('columns'));
  const others = [low, high, ...axes].map((axis) => axis?.name ?? '').filter((name) => name !== rows && name !== '');
  return { rows, columns: asked !== null && asked !== rows ? asked : (others[0] ?? '') };
}

/** The query of a state's URL, '' for none; what `readState` would assume anyway is left out. */
export function writeState(state: State, view: Known): string {
  const usual = readState('', view);
  const query = new URLSearchParams();
  if (state.rows !== usual.rows || state.columns !== usual.columns) {
    query.set('rows', state.rows);
    query.set('columns', state.columns);
  }
  if (state.tone !== usual.tone) query.set('colour', state.tone);
  for (const [axis, value] of Object.entries(state.where)) query.set(WHERE + axis, value);
  if (state.page > 0) query.set('page', String(state.page + 1));
  if (state.show !== usual.show) query.set('show', state.show);
  if (state.by !== usual.by) query.set('by', state.by);
  if (state.image !== null) query.set('image', state.image);
  if (state.rejected !== null) query.set('rejected', state.rejected);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** The state after a change of the selection: its first page, with nothing open. */
export const selecting = (state: State, where: State['where']): State => ({
  ...state,
  where,
  page: 0,
  image: null,
  rejected: null,
});

/** The same conditions with one changed; null removes it. */
export function withValue(where: State['where'], axis: string, value: string | null): Record<string, string> {
  const rest = Object.entries(where).filter(([name]) => name !== axis);
  return Object.fromEntries(value === null || axis === '' ? rest : [...rest, [axis, value]]);
}
