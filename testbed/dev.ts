import { once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { REPO } from '../test/support/cli.ts';
import { missingForPods } from './available.ts';
import { BUCKET, type Rig, rigDataset, startRig } from './rig.ts';

/**
 * `npm run dev`: a whole farm on this machine with one dataset applied, until Ctrl-C. The operator restarts whenever its
 * sources change; workers take the sources as they are when their pod starts.
 */

/** Folders that make up the operator's program. */
const SOURCES = ['contract', 'platform', 'kube', 'operator'];
/** An editor writes a file more than once when it saves. */
const SETTLE_MS = 300;

async function main(): Promise<void> {
  const missing = await missingForPods();
  if (missing) throw new Error(missing);
  process.stderr.write('starting the API server, NATS, S3, a kubelet and the operator; the first time builds them\n');
  const rig = await startRig();
  try {
    const dataset = await rigDataset(rig, 'demo');
    await rig.plane.apply(dataset);
    process.stdout.write(`${instructions(rig)}\n`);
    const stopWatching = restartOnChange(rig);
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    stopWatching();
  } finally {
    await rig.stop();
  }
}

function instructions({ plane, s3 }: Rig): string {
  const env = { KUBECONFIG: plane.kubeconfig, ...s3.env };
  return [
    'The farm is ready, and the dataset "demo" is growing. In another terminal:',
    '',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${value}`),
    '',
    'cohortfarm top                         # progress of every dataset',
    'cohortfarm status demo                 # conditions, cells and pods of one',
    `cohortfarm browse s3://${BUCKET}/demo       # its images, while it grows`,
    'kubectl get sds,jobs,pods                  # any kubectl',
    '',
    'A change in contract/, platform/, kube/ or operator/ restarts the operator. Ctrl-C stops everything.',
  ].join('\n');
}

/** Ends the operator after a change; the rig starts it again, as a Deployment does. */
function restartOnChange({ operators }: Rig): () => void {
  let timer: NodeJS.Timeout | undefined;
  const onChange = (_event: string, file: string | null): void => {
    if (!file?.endsWith('.ts') || file.endsWith('.test.ts')) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      process.stdout.write(`${file} changed: the operator restarts\n`);
      for (const operator of operators) void operator.end('SIGTERM');
    }, SETTLE_MS);
  };
  const watchers = SOURCES.map((folder) => watch(join(REPO, folder), { recursive: true }, onChange));
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}

await main();
