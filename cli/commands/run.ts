import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { StoppedError, UsageError } from '../../contract/failure.ts';
import { EXIT, objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { PrefixOwner } from '../../contract/schema/record.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { type Claimant, claim, standing } from '../../dataset/claim.ts';
import { publish } from '../../dataset/publish/publish.ts';
import { readProgress } from '../../dataset/shard/committed.ts';
import { resolveUri } from '../../platform/resource.ts';
import { type ObjectStore, openStore, type S3Options, storesAbove } from '../../platform/store/store.ts';
import { VERSION } from '../../platform/version.ts';
import { arraySource } from '../../worker/array-source.ts';
import { type Prepared, prepare } from '../../worker/prepare.ts';
import { work } from '../../worker/work.ts';
import { describePlan } from '../describe-plan.ts';
import { withLineage } from '../lineage.ts';
import { loadDataset, withOutput } from '../load.ts';
import { addS3Options, type S3Flags } from '../open.ts';
import { type ProgressView, showProgress } from '../progress.ts';
import { reportVerification } from './verify.ts';

/** `cohortfarm run`: the whole job on this machine. */

interface RunOptions extends S3Flags {
  readonly file: string;
  readonly output?: string;
  readonly workers?: string;
  readonly adopt?: string;
  readonly lineage?: string;
  readonly verify?: boolean;
  readonly json?: boolean;
}

export function addRun(program: Command): void {
  addS3Options(
    program
      .command('run')
      .description('Grow the dataset on this machine: sample, gate, write shards, publish. Run it again to resume.')
      .requiredOption('-f, --file <yaml>', 'the SyntheticDataset')
      .option('-o, --output <uri>', 'directory or s3://bucket/prefix; default: spec.output.uri')
      .option('-w, --workers <n>', 'engine processes, each with a shard of its own; default: spec.workers.replicas')
      .option('--adopt <owner>', 'take the output over from the owner that the error names')
      .option('--lineage <target>', 'where OpenLineage events go: a file, or the URL of a server')
      .option('--verify', 'verify the published dataset at the end')
      .option('--json', 'print one JSON object at the end'),
  ).action(async (options: RunOptions) => {
    process.exitCode = await run(options);
  });
}

async function run(options: RunOptions): Promise<number> {
  const loaded = await loadDataset(options.file, options);
  const dataset = withOutput(loaded.dataset, options.output);
  const workers = parseWorkers(options.workers ?? String(dataset.spec.workers.replicas));
  const prepared = await prepare(dataset, loaded.resources);
  const { plan } = prepared;
  const output = resolveUri(dataset.spec.output.uri, loaded.resources.baseDir);
  const store = openStore(output, loaded.resources.s3);
  if (!options.json) process.stderr.write(`${describePlan(plan)}\n`);
  const owner: PrefixOwner = { kind: 'Run', id: randomUUID() };
  const claimant = { owner, adoptFrom: options.adopt, above: storesAbove(output, loaded.resources.s3) };
  const job: Job = { dataset, prepared, store, workers, claimant, s3: loaded.resources.s3 };
  const lineage = { target: options.lineage, id: owner.id, loaded, prepared, output: store.uri };
  const manifest = await withLineage(lineage, async () => {
    if ((await standing(store, plan, claimant)).state === 'open') await grow(job);
    else await claim(store, plan, claimant);
    const { referenceDir } = prepared;
    return publish({ plan, dataset, store, owner, version: VERSION, referenceDir });
  });
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

interface Job {
  readonly dataset: SyntheticDataset;
  readonly prepared: Prepared;
  readonly store: ObjectStore;
  readonly workers: number;
  readonly claimant: Claimant;
  readonly s3: S3Options | undefined;
}

async function grow({ prepared, dataset, store, workers, claimant }: Job): Promise<void> {
  const { plan } = prepared;
  const { pending, samples } = await readProgress(store, plan);
  if (pending.length === 0) {
    await claim(store, plan, claimant);
    return;
  }
  const view = showProgress({
    wanted: plan.samples,
    before: samples,
    stream: process.stderr,
    now: () => performance.now() / 1000,
  });
  const count = Math.min(workers, pending.length);
  const { stop, release } = stopOnSignals(view);
  try {
    await work({
      prepared,
      store,
      claimant,
      source: arraySource({
        shards: pending,
        onRetry: (shard, why) => view.note(`${why}; shard ${shard} is tried again`),
      }),
      engines: {
        count,
        provider: dataset.spec.model.executionProvider,
        threads: Math.max(1, Math.floor(availableParallelism() / count)),
      },
      name: 'local',
      stop,
      observer: {
        ...view,
        ready(engine) {
          view.note(engine.reason);
          view.ready(engine);
        },
        begun: () => {},
        crashed: view.note,
      },
    });
  } finally {
    release();
    view.end();
  }
}

/** The first signal stores what is accepted, the second ends at once; both leave a state from which a run resumes. */
function stopOnSignals(view: ProgressView): { stop: AbortSignal; release: () => void } {
  const stopping = new AbortController();
  const onSignal = (): void => {
    if (stopping.signal.aborted) process.exit(EXIT.tryAgain);
    view.note('Storing what is accepted; press Ctrl-C again to stop at once.');
    stopping.abort(new StoppedError('stopped; run the same command again to resume'));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  const release = (): void => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  };
  return { stop: stopping.signal, release };
}

async function conclude(
  manifest: Manifest,
  { store, prepared: { plan }, s3 }: Job,
  options: RunOptions,
): Promise<number> {
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
  const verified = options.verify ? await reportVerification(store, { quiet: options.json === true, s3 }) : EXIT.done;
  return verified !== EXIT.done || accepted === wanted ? verified : EXIT.shortfall;
}
