import type { DatasetStatus } from '../../contract/schema/status.ts';
import { clock, percent } from '../progress.ts';
import type { ClusterDataset, ClusterPod } from './cluster.ts';
import { bar, cut, plain, since, table } from './text.ts';

/** A dataset's status as lines for a terminal. Pure. */

export interface Screen {
  /** Characters in a line. */
  readonly columns: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const rateOf = ({ imagesPerSecond }: DatasetStatus): string =>
  imagesPerSecond === undefined ? '-' : `${imagesPerSecond.toFixed(1)} images/s`;

const leftOf = ({ secondsLeft }: DatasetStatus): string => (secondsLeft === undefined ? '-' : clock(secondsLeft));

/** Samples that need no more work. */
const settled = ({ samples }: DatasetStatus): number => (samples ? samples.accepted + samples.exhausted : 0);

/** One word for where it is: the reason of the condition that says most. */
function stateOf({ status, suspended }: ClusterDataset): string {
  const of = (type: string) => status?.conditions?.find((condition) => condition.type === type);
  const stalled = of('Stalled');
  if (stalled?.status === 'True') return `Stalled: ${stalled.reason}`;
  return of('Ready')?.reason ?? (suspended ? 'Suspended' : 'not seen by the operator yet');
}

/** Everything about one dataset. */
export function showDataset(dataset: ClusterDataset, pods: readonly ClusterPod[], screen: Screen): string[] {
  const { name, namespace, status } = dataset;
  const head = `${name} in ${namespace}: ${stateOf(dataset)}`;
  if (!status) return [cut(plain(head), screen.columns), ...podLines(pods, screen)];
  return [
    cut(plain(head), screen.columns),
    ...progressLines(status, screen),
    ...conditionLines(status, screen),
    ...worstLines(status, screen),
    ...stageLines(status, screen),
    ...podLines(pods, screen),
  ];
}

const BAR = 28;

function progressLines(status: DatasetStatus, { columns, now }: Screen): string[] {
  const { samples, cells, shards, manifest, evidence = [] } = status;
  if (!samples) return [];
  const { wanted, accepted, exhausted, attempts } = samples;
  const first = [
    bar(settled(status) / Math.max(1, wanted), BAR),
    `${accepted}/${wanted} images,`,
    `${percent(accepted, attempts)} accepted,`,
    `${rateOf(status)},`,
    `${leftOf(status)} left`,
  ];
  const second = [
    ...(cells ? [`cells ${cells.complete}/${cells.total}`] : []),
    ...(shards ? [`shards ${shards.committed}/${shards.total}`] : []),
    ...(exhausted > 0 ? [`${exhausted} samples exhausted`] : []),
    `updated ${since(status.lastUpdateTime, now)} ago`,
  ];
  const lines = [first.join(' '), second.join('   '), ...(manifest ? [`published: ${manifest.uri}`] : []), ...evidence];
  return lines.map((line) => cut(plain(line), columns));
}

/** A heading of its own above a table; nothing for an empty one. */
function section(rows: readonly (readonly string[])[], heading: readonly string[], { columns }: Screen): string[] {
  return rows.length === 0 ? [] : ['', ...table([heading, ...rows], columns)];
}

function conditionLines({ conditions = [] }: DatasetStatus, screen: Screen): string[] {
  const rows = conditions.map(({ type, status, reason, lastTransitionTime, message }) => [
    type,
    status,
    reason,
    since(lastTransitionTime, screen.now),
    message,
  ]);
  return section(rows, ['CONDITION', 'STATUS', 'REASON', 'SINCE', 'MESSAGE'], screen);
}

function worstLines({ worstCells = [] }: DatasetStatus, screen: Screen): string[] {
  const rows = worstCells.map(({ cell, wanted, accepted, acceptanceRate, gate }) => [
    `${accepted}/${wanted}`,
    percent(acceptanceRate, 1),
    gate ?? '-',
    cell,
  ]);
  return section(rows, ['IMAGES', 'ACCEPTED', 'GATE', 'WORST CELL'], screen);
}

function stageLines({ stages = [] }: DatasetStatus, screen: Screen): string[] {
  const rows = stages.map(({ name, state, job, metrics }) => {
    const numbers = Object.entries(metrics ?? {}).map(([metric, value]) => `${metric} ${Number(value.toPrecision(4))}`);
    return [name, state, job ?? '-', numbers.join(', ') || '-'];
  });
  return section(rows, ['STAGE', 'STATE', 'JOB', 'METRICS'], screen);
}

/** Pods listed, at most; of more, those that do not run are listed first. */
const MAX_PODS = 20;

function podLines(pods: readonly ClusterPod[], screen: Screen): string[] {
  const isFine = ({ state }: ClusterPod): number => (state === 'Running' || state === 'Succeeded' ? 1 : 0);
  const listed = pods.toSorted((a, b) => isFine(a) - isFine(b) || (a.name < b.name ? -1 : 1)).slice(0, MAX_PODS);
  const rows = listed.map(({ name, role, state, restarts, node, created }) => [
    name,
    role || '-',
    state,
    String(restarts),
    since(created, screen.now),
    node || '-',
  ]);
  const more = pods.length > MAX_PODS ? [`... and ${pods.length - MAX_PODS} more pods`] : [];
  return [...section(rows, ['POD', 'ROLE', 'STATE', 'RESTARTS', 'AGE', 'NODE'], screen), ...more];
}

const SHORT_BAR = 16;

/** One line for each dataset. */
export function showDatasets(datasets: readonly ClusterDataset[], screen: Screen): string[] {
  if (datasets.length === 0) return ['There is no SyntheticDataset here; -A looks into all namespaces.'];
  const rows = datasets.map((dataset) => {
    const status = dataset.status ?? {};
    const { samples, shards } = status;
    return [
      dataset.namespace,
      dataset.name,
      samples ? bar(settled(status) / Math.max(1, samples.wanted), SHORT_BAR) : '-',
      samples ? `${samples.accepted}/${samples.wanted}` : '-',
      samples ? percent(samples.accepted, samples.attempts) : '-',
      rateOf(status),
      leftOf(status),
      shards ? `${shards.committed}/${shards.total}` : '-',
      stateOf(dataset),
    ];
  });
  const heading = ['NAMESPACE', 'NAME', 'PROGRESS', 'IMAGES', 'ACCEPTED', 'RATE', 'LEFT', 'SHARDS', 'STATE'];
  return table([heading, ...rows], screen.columns);
}
