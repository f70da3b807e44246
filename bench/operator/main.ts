import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { startWithDefinition } from '../../test/crd/definition-server.ts';
import { startNats } from '../../testbed/servers/nats.ts';
import { type Finished, measureFinished } from './finished.ts';
import { measureOverhead } from './overhead.ts';
import { startOperatorProgram } from './program.ts';
import { measureScale, type Scale } from './scale.ts';

/**
 * Measures the operator on a real API server and writes bench/operator.md:
 * node bench/operator/main.ts [--rounds 100] [--sizes 50,500] [--finished 4500]
 */

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '50,500' },
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

function scaleTable(scales: readonly Scale[]): string[] {
  const row = (what: string, figure: (scale: Scale) => string) => `| ${what} | ${scales.map(figure).join(' | ')} |`;
  return [
    '## Many datasets of 10 worker pods each (KWOK), whose workers report all the while',
    '',
    row('datasets', ({ datasets }) => String(datasets)),
    `| --- | ${scales.map(() => '---').join(' | ')} |`,
    row('until every worker Job is there', ({ operator }) => seconds(operator.jobs)),
    row('floor: a bare client, until the same Jobs are there', ({ floor }) => seconds(floor.jobs)),
    row('ratio', ({ operator, floor }) => `${(operator.jobs / floor.jobs).toFixed(2)} x`),
    row('until every pod runs', ({ operator }) => seconds(operator.pods)),
    row('floor: until every pod of the same Jobs runs', ({ floor }) => seconds(floor.pods)),
    row("operator's processor time until then", ({ cpuSeconds }) => seconds(cpuSeconds)),
    row('requests to the API server per dataset until then', ({ requestsPerDataset }) => requestsPerDataset.toFixed(1)),
    row('reports of workers a second, once all run', ({ liveEvents }) => liveEvents.toFixed(0)),
    row('status updates while shards are reported', ({ statusUpdates }) => String(statusUpdates)),
    row('requests per status update', ({ requestsPerStatusUpdate }) => requestsPerStatusUpdate.toFixed(1)),
    row('processor time per status update', ({ cpuPerStatusUpdateMs }) => `${cpuPerStatusUpdateMs.toFixed(1)} ms`),
    row("operator's peak memory", ({ peakMemory }) => mebibytes(peakMemory)),
  ];
}

const finishedTable = ({ finished, growing, afterStart, firstLooks, peakMemory }: Finished): string[] => [
  `## ${(finished + growing).toLocaleString('en')} datasets, of which ${finished.toLocaleString('en')} are finished`,
  '',
  '| | |',
  '| --- | --- |',
  `| a new dataset applied, until its worker Job is seen (${firstLooks.length}): p50 | ${(1000 * at(firstLooks, 0.5)).toFixed(0)} ms |`,
  `| the slowest of them, resyncs included | ${(1000 * Math.max(...firstLooks)).toFixed(0)} ms |`,
  `| a start of the operator, until the worker Job of a dataset that waits is seen | ${seconds(afterStart)} |`,
  `| operator's peak memory since that start | ${mebibytes(peakMemory)} |`,
];

const scales: Scale[] = [];
for (const size of values.sizes.split(',').filter(Boolean).map(Number)) scales.push(await measureScale(size));
const sections = [
  await overhead(Number(values.rounds)),
  scaleTable(scales),
  finishedTable(await measureFinished(Number(values.finished), Math.max(...scales.map(({ datasets }) => datasets)))),
];
const head = [
  '# The operator',
  '',
  `Written by \`node bench/operator/main.ts\` on ${cpus().length} cores (${cpus()[0]?.model.trim()}); API server, etcd, controllers, KWOK`,
  'and NATS share them with the operator. A floor is what the same machine needs without it, in the same run.',
];
await writeFile(
  new URL('../operator.md', import.meta.url),
  `${[head, ...sections].map((lines) => lines.join('\n')).join('\n\n')}\n`,
);
