import { describeError, exitCodeOf, otherPlanFailure } from '../contract/failure.ts';
import { claim } from '../dataset/claim.ts';
import { openStore, storesAbove } from '../platform/store/store.ts';
import { loadEngine, shardContext } from './engine.ts';
import type { FromWorker, StartMessage, ToWorker } from './messages.ts';
import { prepare } from './prepare.ts';
import { runShard, type ShardContext } from './run-shard.ts';

/** A worker process of a local farm: computes the plan itself, then does the shards it is given, one at a time. */

let stopping = false;
let context: ShardContext | null = null;

const send = (message: FromWorker): void => {
  process.send?.(message);
};

async function start(message: StartMessage): Promise<void> {
  const prepared = await prepare(message.dataset, message.resources);
  if (prepared.plan.digest !== message.planDigest) {
    throw otherPlanFailure('this run', { planDigest: message.planDigest }, prepared.plan);
  }
  const engine = await loadEngine(prepared, message);
  const store = openStore(message.output, message.resources.s3);
  const { owner, adoptFrom } = message;
  await claim(store, prepared.plan, { owner, adoptFrom, above: storesAbove(message.output, message.resources.s3) });
  context = shardContext(prepared.plan, store, engine, {
    provider: message.provider,
    stopping: () => stopping,
    onBatch: ({ cells: _cells, ...progress }) => send({ type: 'progress', ...progress }),
    onResume: (progress) => send({ type: 'resumed', ...progress }),
  });
  send({ type: 'idle' });
}

async function work(shard: number): Promise<void> {
  const record = await runShard(context!, shard);
  send({
    type: 'committed',
    shard,
    attempts: record.attempts,
    accepted: record.accepted,
    exhausted: record.exhausted.length,
  });
  send({ type: 'idle' });
}

async function handle(message: ToWorker): Promise<void> {
  if (message.type === 'stop') stopping = true;
  else if (message.type === 'start') await start(message);
  else await work(message.shard);
}

function fail(error: unknown): void {
  const exitCode = exitCodeOf(error);
  process.send?.({ type: 'failed', exitCode, message: describeError(error) } satisfies FromWorker, () =>
    process.exit(exitCode),
  );
}

// Ctrl-C reaches the whole process group; the farm decides when its workers stop.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  handle(message as ToWorker).catch(fail);
});
