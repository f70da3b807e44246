import { availableParallelism } from 'node:os';
import { otherPlanFailure, StoppedError } from '../../contract/failure.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import { claim, standing } from '../../dataset/claim.ts';
import { chooseProvider } from '../../diffusion/onnx.ts';
import type { Logger } from '../../platform/log.ts';
import type { Delivery, WorkerQueue } from '../../platform/queue/types.ts';
import { openWorkerQueue } from '../../platform/queue/worker-queue.ts';
import { loadEngine, shardContext } from '../engine.ts';
import { type Prepared, prepare } from '../prepare.ts';
import { runShard, type ShardContext } from '../run-shard.ts';
import { outcome } from './outcome.ts';
import { LiveReporter, planEventOf, shardEventOf } from './progress.ts';
import { claimantOf, type PodSettings, type QueueSettings } from './settings.ts';

/**
 * A worker pod, from its resource to the last shard that it can have. Nothing is claimed or told before model and gates are
 * known to load, and nothing is told of a plan whose output belongs to another.
 */

export interface WorkContext extends PodSettings {
  readonly queue: QueueSettings;
  readonly log: Logger;
  /** Aborted when the pod is to stop after its current part. */
  readonly stop: AbortSignal;
}

const REPORT_MS = 2000;

/** @throws StoppedError when asked to stop; what any step of the work throws */
export async function work(context: WorkContext): Promise<Outcome> {
  const { dataset, resources, output, log, stop } = context;
  const prepared = await prepare(dataset, resources);
  const { plan } = prepared;
  log.info({ plan: plan.digest, samples: plan.samples, shards: plan.shards }, 'planned');
  const claimant = claimantOf(context);
  await standing(output, plan, claimant);
  const { provider, reason } = await chooseProvider(dataset.spec.model.executionProvider);
  assertGoingOn(stop);
  const engine = await loadEngine(prepared, { provider, threads: availableParallelism() });
  log.info({ provider, reason }, 'model and gates are loaded');
  assertGoingOn(stop);
  await claim(output, plan, claimant);
  const queue = await openWorkerQueue({ ...context.queue, uid: context.uid, name: context.pod });
  const reporter = new LiveReporter(
    context.pod,
    (event) => queue.live(event),
    () => performance.now() / 1000,
  );
  const timer = setInterval(() => reporter.report(), REPORT_MS);
  try {
    await queue.tellPlan(planEventOf(plan));
    const shards = shardContext(plan, output, engine, {
      provider,
      stopping: () => stop.aborted,
      onBatch: (progress) => reporter.add(progress),
      onResume: ({ shard, samples }) => log.info({ shard, samples }, 'stored parts are used'),
    });
    const done = await workThrough({ context, prepared, queue, shards, reporter });
    return outcome('Generating', `no shard is available any more; this pod finished ${done}`);
  } finally {
    clearInterval(timer);
    await queue.close();
  }
}

interface Work {
  readonly context: WorkContext;
  readonly prepared: Prepared;
  readonly queue: WorkerQueue;
  readonly shards: ShardContext;
  readonly reporter: LiveReporter;
}

/** Takes shards until none is available. @returns how many were finished */
async function workThrough(work: Work): Promise<number> {
  const { context, queue } = work;
  const stopped = new Promise<never>((_, reject) => {
    const stop = (): void => reject(new StoppedError('stopped while no shard was at hand'));
    if (context.stop.aborted) stop();
    else context.stop.addEventListener('abort', stop, { once: true });
  });
  stopped.catch(() => {}); // Raced below, or not at all while a shard is at hand.
  for (let done = 0; ; done++) {
    const next = queue.take();
    next.catch(() => {}); // Once stopped, nobody waits for it any more.
    const delivery = await Promise.race([next, stopped]);
    if (!delivery) return done;
    await doShard(work, delivery);
  }
}

async function doShard({ context, prepared, shards, reporter }: Work, delivery: Delivery): Promise<void> {
  const { plan } = prepared;
  const { task, deliveryCount } = delivery;
  const log = context.log.child({ shard: task.shard });
  try {
    if (task.planDigest !== plan.digest || task.shard >= plan.shards) {
      throw otherPlanFailure('a shard of the queue', task, plan);
    }
    log.info({ deliveryCount }, 'shard begun');
    reporter.begin(task.shard);
    const record = await runShard(shards, task.shard);
    reporter.report();
    const { accepted, attempts, exhausted } = record;
    log.info({ accepted, attempts, exhausted: exhausted.length }, 'shard committed');
    await delivery.done(shardEventOf(plan, record));
  } catch (error) {
    // Whoever takes it next goes on from the stored parts. A queue that is away gives it to the next by itself.
    await delivery.giveBack().catch((err) => log.warn({ err }, 'the shard could not be given back'));
    throw error;
  } finally {
    reporter.end();
  }
}

function assertGoingOn(stop: AbortSignal): void {
  if (stop.aborted) throw new StoppedError('stopped before the first shard');
}
