import type { Outcome } from '../../contract/schema/outcome.ts';
import { unlessAborted } from '../../platform/abort.ts';
import type { Logger } from '../../platform/log.ts';
import { openShardSource } from '../../platform/queue/shard-source.ts';
import { prepare } from '../prepare.ts';
import { type WorkObserver, work } from '../work.ts';
import { outcome } from './outcome.ts';
import { claimantOf, type PodSettings, type QueueSettings } from './settings.ts';

/** A worker pod: the worker with the queue as its source. */

export interface WorkContext extends PodSettings {
  readonly queue: QueueSettings;
  /** GPUs that the pod was given. */
  readonly gpus: number;
  /** CPU threads of each engine, given how many there are. */
  readonly threads: (engines: number) => number | null;
  readonly log: Logger;
  /** Aborted when the pod is to stop. */
  readonly stop: AbortSignal;
}

/** @throws StoppedError when asked to stop; what any step of the work throws */
export async function workInPod(context: WorkContext): Promise<Outcome> {
  const { dataset, resources, output: store, log, stop, gpus } = context;
  const prepared = await unlessAborted(prepare(dataset, resources), stop);
  const { digest, samples, shards } = prepared.plan;
  log.info({ plan: digest, samples, shards }, 'planned');
  const source = openShardSource({ ...context.queue, uid: context.uid, name: context.pod });
  // A dataset that asks for GPUs says `cuda` by now (operator/desired/config-map.ts).
  const provider = dataset.spec.model.executionProvider;
  const count = provider === 'cuda' ? Math.max(1, gpus) : 1;
  const engines = { count, provider, threads: context.threads(count) };
  try {
    const claimant = claimantOf(context);
    const observer = logging(log);
    const done = await work({ prepared, store, claimant, source, engines, name: context.pod, stop, observer });
    return outcome('Generating', `no shard is available any more; this pod finished ${done}`);
  } finally {
    await source.close();
  }
}

function logging(log: Logger): WorkObserver {
  return {
    ready: ({ provider, reason }) => log.info({ provider, reason }, 'model and gates are loaded'),
    begun: ({ shard, deliveryCount }) => log.info({ shard, deliveryCount }, 'shard begun'),
    resumed: ({ shard, samples }) => log.info({ shard, samples }, 'stored parts are used'),
    sampled: () => {},
    committed: ({ shard, accepted, attempts, exhausted }) =>
      log.info({ shard, accepted, attempts, exhausted: exhausted.length }, 'shard committed'),
    crashed: (what) => log.warn(what),
  };
}
