import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { startWithDefinition } from '../../test/crd/definition-server.ts';
import { startNats } from '../../testbed/servers/nats.ts';
import { type Finished, measureFinished } from './finished.ts';
import { measureOverhead } from './overhead.ts';
import { startOperatorProgram } from './program.ts';
import { type JobTimes, measureJobTimes, measureRunning, type Running, type Times } from './scale.ts';

/**
 * Measures the operator on a real API server and writes bench/operator.md, or only the sections that are named:
 * node bench/operator/main.ts [--sections overhead,jobs,running,finished] [--rounds 100] [--size 500] [--turns 3]
 * [--running 200] [--finished 4500]
 */

const { values } = parseArgs({
  options: {
    sections: { type: 'string', default: 'overhead,jobs,running,finished' },
    size: { type: 'string', default: '500' },
    turns: { type: 'string', default: '3' },
    running: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '100' },
    finished: { type: 'string', default: '4500' },
  },
});

async function overhead(rounds: number): Promise<string[]> {
  const [plane, nats] = await Promise.all([startWithDefinition(), startNats()]);
  const operator = await startOperatorProgram(plane.kubeconfig, nats.url);
  try {
    const { dataset, job } = await measureOverhead(plane, rounds);
    const ms = (value: number) => `${value.toFixed(1)} ms`;
    const row = (what: string, times: readonly number[]) =>
      `| ${what} | ${ms(at(times, 0.5))} | ${ms(at(times, 0.99))} |`;
    const ratio = (quantile: number) => `${(at(dataset, quantile) / at(job, quantile)).toFixed(1)} x`;
    return [
      `## From apply to the Job (${rounds} rounds, in turn)`,
      '',
      '| | p50 | p99 |',
      '| --- | --- | --- |',
      row('SyntheticDataset applied, until its worker Job is seen', dataset),
      row('floor: the same Job applied, until it is seen', job),
      `| ratio | ${ratio(0.5)} | ${ratio(0.99)} |`,
    ];
  } finally {
    await operator.replica.end('SIGKILL');
    await Promise.all([plane.stop(), nats.stop()]);
  }
}

const at = (values: readonly number[], quantile: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * quantile))]!;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const seconds = (value: number): string => `${value.toFixed(1)} s`;

const median = (values: readonly number[]): number => at(values, 0.5);
const secondsOf = (times: readonly Times[]): number[] => times.map((one) => one.seconds);

const row = (what: string, ...figures: string[]) => `| ${what} | ${figures.join(' | ')} |`;

function jobsTable({ datasets, floor, writes, operator }: JobTimes): string[] {
  const ratio = (times: readonly Times[]) => {
    const ratios = times.map((one, turn) => one.seconds / floor[turn]!.seconds);
    return `${median(ratios).toFixed(2)} x`;
  };
  const line = (what: string, times: readonly Times[]) =>
    row(what, seconds(median(secondsOf(times))), ratio(times), secondsOf(times).map(seconds).join(', '));
  return [
    `## ${datasets} datasets of 10 worker pods each (KWOK), until every worker Job is there`,
    '',
    `Turns of the three: ${floor.length}; a ratio is the median of those to the floor of the same turn. Workers report as soon as their Job`,
    'is there.',
    '',
    '| | median | to the floor | each turn |',
    '| --- | --- | --- | --- |',
    line('floor: a bare client applies the same Jobs', floor),
    line('a bare client writes dataset, finalizer, ConfigMap and Job', writes),
    line('a client applies the datasets, the operator makes the Jobs', operator),
    '',
    'Processor time of that by program, in milliseconds for each dataset (medians); `others` is what else the machine did.',
    '',
    ...processorTable(datasets, { floor, writes, operator }),
  ];
}

const runningTable = ({ datasets, ...running }: Running): string[] => [
  `## ${datasets} datasets of 10 worker pods each (KWOK), whose workers report all the while`,
  '',
  '| | |',
  '| --- | --- |',
  row('until every pod runs', seconds(running.pods)),
  row('floor: until every pod of the same Jobs runs', seconds(running.floor)),
  row("operator's processor time until then", seconds(running.cpuSeconds)),
  row('requests to the API server per dataset until then', running.requestsPerDataset.toFixed(1)),
  row('reports of workers a second, once all run', running.liveEvents.toFixed(0)),
  row('status updates while shards are reported', String(running.statusUpdates)),
  row('requests per status update', running.requestsPerStatusUpdate.toFixed(1)),
  row('processor time per status update', `${running.cpuPerStatusUpdateMs.toFixed(1)} ms`),
  row("operator's peak memory", mebibytes(running.peakMemory)),
];

function processorTable(datasets: number, runs: Readonly<Record<string, readonly Times[]>>): string[] {
  const names = [
    ...new Set(Object.values(runs).flatMap((times) => times.flatMap((one) => Object.keys(one.processors)))),
  ];
  const figure = (times: readonly Times[], name: string) =>
    ((1000 * median(times.map((one) => one.processors[name] ?? 0))) / datasets).toFixed(1);
  const rows = names.map((name) => [name, ...Object.values(runs).map((times) => figure(times, name))]);
  const known = rows.filter(([, ...figures]) => figures.some((one) => Number(one) >= 0.1));
  const columns = Object.keys(runs);
  return [
    `| | ${columns.join(' | ')} |`,
    `| --- | ${columns.map(() => '---').join(' | ')} |`,
    ...known.map((cells) => `| ${cells.join(' | ')} |`),
  ];
}

const finishedTable = ({ finished, growing, afterStart, firstLooks, floor, peakMemory }: Finished): string[] => [
  `## ${(finished + growing).toLocaleString('en')} datasets, of which ${finished.toLocaleString('en')} are finished`,
  '',
  '| | |',
  '| --- | --- |',
  `| a new dataset applied, until its worker Job is seen (${firstLooks.length}): p50 | ${(1000 * at(firstLooks, 0.5)).toFixed(0)} ms |`,
  `| the slowest of them, resyncs included | ${(1000 * Math.max(...firstLooks)).toFixed(0)} ms |`,
  `| floor: a Job applied, until it is seen, in turn with them: p50 | ${(1000 * at(floor, 0.5)).toFixed(0)} ms |`,
  `| the slowest of these | ${(1000 * Math.max(...floor)).toFixed(0)} ms |`,
  `| a start of the operator, while pods are made, until the worker Job of a dataset that waits is seen | ${seconds(afterStart)} |`,
  `| operator's peak memory since that start | ${mebibytes(peakMemory)} |`,
];

const size = Number(values.size);
const SECTIONS: Readonly<Record<string, () => Promise<string[]>>> = {
  overhead: () => overhead(Number(values.rounds)),
  jobs: async () => jobsTable(await measureJobTimes(size, Number(values.turns))),
  running: async () => runningTable(await measureRunning(Number(values.running))),
  finished: async () => finishedTable(await measureFinished(Number(values.finished), size)),
};
const FILE = new URL('../operator.md', import.meta.url);
const HEAD = [
  '# The operator',
  '',
  `Written by \`node bench/operator/main.ts\` on ${cpus().length} cores (${cpus()[0]?.model.trim()}); API server, etcd, controllers, KWOK`,
  'and NATS share them with the operator. A floor is what the same machine needs without it, in the same run.',
];

/** The sections of the page, in order; one that is measured again replaces the one before it. */
const kept = (await readFile(FILE, 'utf8')).split(/\n(?=## )/).slice(1);
for (const name of values.sections.split(',')) {
  const at = Object.keys(SECTIONS).indexOf(name);
  const [load] = loadavg();
  const lines = await SECTIONS[name]!();
  const said = `The machine had a load of ${load!.toFixed(1)} before, and of ${loadavg()[0]!.toFixed(1)} after it.`;
  kept[at] = [lines[0], '', said, ...lines.slice(1)].join('\n');
  await writeFile(FILE, `${[HEAD.join('\n'), ...kept.map((section) => section.trim())].join('\n\n')}\n`);
}
