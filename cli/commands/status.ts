import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { isRetryable } from '../../contract/failure.ts';
import type { Cluster, ClusterOptions } from '../status/cluster.ts';
import { type Screen, showDataset, showDatasets } from '../status/show.ts';

/** `cohortfarm status NAME` and `cohortfarm top`: what a cluster says about its datasets, live on a terminal. */

interface Flags extends ClusterOptions {
  readonly watch?: boolean;
  readonly json?: boolean;
}

const addClusterOptions = (command: Command): Command =>
  command
    .option('-n, --namespace <name>', "namespace; default: the context's own")
    .option('--context <name>', 'context of the kubeconfig; default: the current one')
    .option('--json', 'print JSON, once');

export function addStatus(program: Command): void {
  addClusterOptions(
    program
      .command('status')
      .description('Show the progress of a SyntheticDataset in a cluster: images, conditions, worst cells, pods.')
      .argument('<name>', 'name of the SyntheticDataset')
      .option('-w, --watch', 'keep showing it until Ctrl-C'),
  ).action(async (name: string, flags: Flags) => {
    const cluster = await open(flags);
    const read = async () => {
      const pods = cluster.pods(name);
      pods.catch(() => {}); // Without the dataset its pods are not shown.
      return { dataset: await cluster.dataset(name), pods: await pods };
    };
    if (flags.json) return print([JSON.stringify(await read())]);
    await show(flags.watch === true, async (screen) => {
      const { dataset, pods } = await read();
      return showDataset(dataset, pods, screen);
    });
  });
}

export function addTop(program: Command): void {
  addClusterOptions(
    program
      .command('top')
      .description('Show all SyntheticDatasets of a namespace: live on a terminal until Ctrl-C, once elsewhere.')
      .option('-A, --all-namespaces', 'of all namespaces'),
  ).action(async (flags: Flags & { allNamespaces?: boolean }) => {
    const cluster = await open(flags);
    const read = () => cluster.datasets(flags.allNamespaces ? 'all' : 'namespace');
    if (flags.json) return print([JSON.stringify(await read())]);
    await show(process.stdout.isTTY === true, async (screen) => showDatasets(await read(), screen));
  });
}

/** The Kubernetes library takes half a second to load, which other commands need not wait for. */
async function open(flags: Flags): Promise<Cluster> {
  const { openCluster } = await import('../status/cluster.ts');
  return openCluster(flags);
}

const PAUSE_MS = 2000;
/** Width of output into a file or a pipe. */
const WIDE = 1000;

const print = (lines: readonly string[]): void => void process.stdout.write(`${lines.join('\n')}\n`);

/** Prints once, or draws over itself every two seconds; a cluster that is briefly unreachable is reported as such. */
async function show(live: boolean, lines: (screen: Screen) => Promise<string[]>): Promise<void> {
  const { stdout } = process;
  const draw = () => lines({ columns: stdout.isTTY ? stdout.columns || 80 : WIDE, now: Date.now() });
  if (!live) return print(await draw());
  let last = await draw();
  if (stdout.isTTY) stdout.write('\x1b[2J');
  for (;;) {
    paint(last);
    await sleep(PAUSE_MS);
    last = await draw().catch((error: unknown) => {
      if (!isRetryable(error)) throw error;
      return [...last.filter((line) => !line.startsWith(AWAY)), `${AWAY}${(error as Error).message}`];
    });
  }
}

const AWAY = '(old) ';

/** Draws over what was there; lines that do not fit on the screen are left out, so that it never scrolls. */
function paint(lines: readonly string[]): void {
  const { stdout } = process;
  if (!stdout.isTTY) {
    print([...lines, '']);
    return;
  }
  const fitting = lines.slice(0, Math.max(1, (stdout.rows || 24) - 1));
  stdout.write(`\x1b[H${fitting.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
}
