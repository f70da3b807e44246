import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { EXIT, objects } from '../../contract/names.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { PrefixOwner } from '../../contract/schema/record.ts';
import { type Claimant, claim, standing } from '../../dataset/claim.ts';
import { publish } from '../../dataset/publish/publish.ts';
import { readProgress } from '../../dataset/shard/committed.ts';
import { resolveUri } from '../../platform/resource.ts';
import { type ObjectStore, openStore, storesAbove } from '../../platform/store/store.ts';
import { VERSION } from '../../platform/version.ts';
import { prepare } from '../../worker/prepare.ts';
import { describePlan } from '../describe-plan.ts';
import { type Farm, startFarm } from '../farm/farm.ts';
import { type ProgressView, showProgress } from '../farm/progress.ts';
import { type Loaded, loadDataset, withOutput } from '../load.ts';
import { reportVerification } from './verify.ts';

/** `cohortfarm run`: the whole job on this machine. */

interface RunOptions {
  readonly file: string;
  readonly output?: string;
  readonly workers?: string;
  readonly adopt?: string;
  readonly verify?: boolean;
  readonly json?: boolean;
}

export function addRun(program: Command): void {
  program
    .command('run')
    .description(
      'Grow the dataset on this machine: sample, gate, write shards, publish. Run it again to go on where it stopped.',
    )
    .requiredOption('-f, --file <yaml>', 'the SyntheticDataset')
    .option('-o, --output <uri>', 'directory or s3://bucket/prefix; default: spec.output.uri')
    .option('-w, --workers <n>', 'worker processes; default: spec.workers.replicas')
    .option('--adopt <owner>', 'take the output over from the owner that the error names')
    .option('--verify', 'verify the published dataset at the end')
    .option('--json', 'print one JSON object at the end')
    .action(async (options: RunOptions) => {
      process.exitCode = await run(options);
    });
}

async function run(options: RunOptions): Promise<number> {
  const loaded = await loadDataset(options.file);
  const dataset = withOutput(loaded.dataset, options.output);
  const workers = parseWorkers(options.workers ?? String(dataset.spec.workers.replicas));
  const { plan } = await prepare(dataset, loaded.resources);
  const output = resolveUri(dataset.spec.output.uri, loaded.resources.baseDir);
  const store = openStore(output, loaded.resources.s3);
  if (!options.json) process.stderr.write(`${describePlan(plan)}\n`);
  const owner: PrefixOwner = { kind: 'Run', id: randomUUID() };
  const claimant = { owner, adoptFrom: options.adopt, above: storesAbove(output, loaded.resources.s3) };
  const job: Job = { dataset, resources: loaded.resources, plan, store, output, workers, claimant };
  if ((await standing(store, plan, claimant)).state === 'open') await grow(job);
  else await claim(store, plan, claimant);
  const manifest = await publish({ plan, dataset, store, owner, version: VERSION });
  return conclude(manifest, job, options);
}

const MAX_WORKERS = 1024;

function parseWorkers(text: string): number {
  const workers = Number(text);
  if (!Number.isInteger(workers) || workers < 1 || workers > MAX_WORKERS) {
    throw new UsageError(
      `--workers: ${JSON.stringify(text)} is not a valid number of processes; write a whole number from 1 to ${MAX_WORKERS}`,
    );
  }
  return workers;
}

interface Job extends Loaded {
  readonly plan: Plan;
  readonly store: ObjectStore;
  readonly output: string;
  readonly workers: number;
  readonly claimant: Claimant;
}

async function grow(job: Job): Promise<void> {
  const { dataset, resources, plan, store, output, workers, claimant } = job;
  // Only sampling needs ONNX Runtime; the other commands start without it.
  const { chooseProvider } = await import('../../diffusion/onnx.ts');
  const { provider, reason } = await chooseProvider(dataset.spec.model.executionProvider);
  process.stderr.write(`${reason}\n`);
  const { pending, samples } = await readProgress(store, plan);
  const view = showProgress({
    wanted: plan.samples,
    before: samples,
    stream: process.stderr,
    now: () => performance.now() / 1000,
  });
  const threads = Math.max(1, Math.floor(availableParallelism() / workers));
  const farm = startFarm({
    workers,
    shards: pending,
    start: {
      type: 'start',
      dataset,
      planDigest: plan.digest,
      resources,
      output,
      owner: claimant.owner,
      adoptFrom: claimant.adoptFrom,
      provider,
      threads,
    },
    onMessage: view.update,
    onLost: (shard, reason) => view.note(`${reason}${shard === null ? '' : `; shard ${shard} goes to another worker`}`),
  });
  const release = stopOnSignals(farm, view);
  try {
    await farm.done;
  } finally {
    release();
    view.end();
  }
}

/** The first signal lets running parts finish, the second ends at once; both leave a state from which a run can resume. */
function stopOnSignals(farm: Farm, view: ProgressView): () => void {
  let asked = false;
  const onSignal = (): void => {
    if (asked) {
      farm.kill();
      return;
    }
    asked = true;
    view.note('Stopping after the running parts; press Ctrl-C again to stop at once.');
    farm.stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  };
}

async function conclude(manifest: Manifest, { store, plan }: Job, options: RunOptions): Promise<number> {
  const { accepted, wanted, attempts } = manifest.samples;
  const report = `${store.uri}/${objects.report}`;
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ uri: store.uri, planDigest: plan.digest, ...manifest.samples, rejected: manifest.rejected, report })}\n`,
    );
  } else {
    const rejections = Object.entries(manifest.rejected)
      .map(([gate, n]) => `${gate} ${n}`)
      .join(', ');
    process.stdout.write(
      `${accepted} of ${wanted} images from ${attempts} attempts${rejections && ` (rejected: ${rejections})`}, ` +
        `${manifest.shards.length} shards in ${store.uri}\nReport: ${report}\n`,
    );
  }
  const verified = options.verify ? await reportVerification(store, { quiet: options.json === true }) : EXIT.done;
  return verified !== EXIT.done || accepted === wanted ? verified : EXIT.shortfall;
}
