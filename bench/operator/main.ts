import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { startWithDefinition } from '../../test/crd/definition-server.ts';
import { startNats } from '../../testbed/servers/nats.ts';
import { measureOverhead } from './overhead.ts';
import { startOperatorProgram } from './program.ts';
import { measureScale, type Scale } from './scale.ts';

/** Measures the operator on a real API server and writes bench/operator.md: node bench/operator/main.ts [--sizes 50,500] */

const { values } = parseArgs({
  options: { sizes: { type: 'string', default: '50,500' }, rounds: { type: 'string', default: '100' } },
});

async function overhead(rounds: number): Promise<string[]> {
  const [plane, nats] = await Promise.all([startWithDefinition(), startNats()]);
  const operator = await startOperatorProgram(plane.kubeconfig, nats.url);
  try {
    const { dataset, job } = await measureOverhead(plane, rounds);
    const row = (what: string, times: readonly number[]) =>
      `| ${what} | ${at(times, 0.5).toFixed(0)} ms | ${at(times, 0.99).toFixed(0)} ms |`;
    return [
      `## From apply to the Job (${rounds} rounds, in turn)`,
      '',
      '| | p50 | p99 |',
      '| --- | --- | --- |',
      row('SyntheticDataset applied, until its worker Job is seen', dataset),
      row('the same Job applied, until it is seen', job),
    ];
  } finally {
    await operator.replica.end('SIGKILL');
    await Promise.all([plane.stop(), nats.stop()]);
  }
}

const at = (values: readonly number[], quantile: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * quantile))]!;

function scaleTable(scales: readonly Scale[]): string[] {
  const row = (what: string, figure: (scale: Scale) => string) => `| ${what} | ${scales.map(figure).join(' | ')} |`;
  const [first, last] = [scales[0]!, scales.at(-1)!];
  const growth = (figure: (scale: Scale) => number) => `${(figure(last) / figure(first)).toFixed(1)} x`;
  const size = last.datasets / first.datasets;
  return [
    '## Many datasets of 10 worker pods each (KWOK)',
    '',
    row('datasets', ({ datasets }) => String(datasets)),
    `| --- | ${scales.map(() => '---').join(' | ')} |`,
    row('until every worker Job is there', ({ jobsSeconds }) => `${jobsSeconds.toFixed(1)} s`),
    row('until every pod runs', ({ podsSeconds }) => `${podsSeconds.toFixed(1)} s`),
    row("operator's processor time until then", ({ cpuSeconds }) => `${cpuSeconds.toFixed(1)} s`),
    row('requests to the API server per dataset until then', ({ requestsPerDataset }) => requestsPerDataset.toFixed(1)),
    row('status updates while shards are reported', ({ statusUpdates }) => String(statusUpdates)),
    row('requests per status update', ({ requestsPerStatusUpdate }) => requestsPerStatusUpdate.toFixed(1)),
    row('processor time per status update', ({ cpuPerStatusUpdateMs }) => `${cpuPerStatusUpdateMs.toFixed(1)} ms`),
    row("operator's peak memory", ({ peakMemory }) => `${(peakMemory / 2 ** 20).toFixed(0)} MiB`),
    '',
    `For ${size.toFixed(0)} times the datasets: time to all Jobs ${growth((s) => s.jobsSeconds)}, processor time ` +
      `${growth((s) => s.cpuSeconds)}, memory ${growth((s) => s.peakMemory)}.`,
  ];
}

const scales: Scale[] = [];
for (const size of values.sizes.split(',').map(Number)) scales.push(await measureScale(size));
const sections = [await overhead(Number(values.rounds)), scaleTable(scales)];
const head = [
  '# The operator',
  '',
  `Written by \`node bench/operator/main.ts\` on ${cpus().length} cores (${cpus()[0]?.model.trim()}); API server, etcd, controllers, KWOK`,
  'and NATS share them with the operator.',
];
await writeFile(
  new URL('../operator.md', import.meta.url),
  `${[head, ...sections].map((lines) => lines.join('\n')).join('\n\n')}\n`,
);
