import { type ChildProcess, fork } from 'node:child_process';
import { Failure, StoppedError } from '../../contract/failure.ts';
import { EXIT } from '../../contract/names.ts';
import { installedProgram } from '../../platform/files.ts';
import type { FromWorker, StartMessage, ToWorker } from '../../worker/messages.ts';

/** A farm on this machine: worker processes that are handed one shard at a time, and replaced when they die. */

/** A failure that a worker reported; its exit code becomes the command's. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

export interface FarmOptions {
  readonly workers: number;
  readonly start: StartMessage;
  /** Shards to do, in order. */
  readonly shards: readonly number[];
  readonly onMessage: (message: FromWorker) => void;
  /** Says that a worker died and its shard goes to another. */
  readonly onLost: (shard: number | null, reason: string) => void;
}

export interface Farm {
  /** Resolves when every shard is committed. @throws WorkerError, StoppedError */
  readonly done: Promise<void>;
  /** Lets each worker finish its running part, then ends with StoppedError. */
  stop(): void;
  /** Ends all workers at once. */
  kill(): void;
  /** Process ids of the workers alive. */
  pids(): number[];
}

/** A shard whose workers died this often is given up: the next would die too. */
const MAX_LOSSES = 5;

interface Worker {
  readonly process: ChildProcess;
  shard: number | null;
  /** It was sent home: there is nothing left for it to do. */
  retired: boolean;
  /** It said itself what went wrong before it ended. */
  reported: boolean;
}

const stopped = (): StoppedError => new StoppedError('stopped; run the same command again to go on');

const WORKER = installedProgram('worker/main.ts');

export function startFarm(options: FarmOptions): Farm {
  const queue = [...options.shards];
  const workers = new Set<Worker>();
  const losses = new Map<number | null, number>();
  const finished = Promise.withResolvers<void>();
  let open = queue.length;
  let stopping = false;
  let ended = false;

  function end(error?: Error): void {
    if (ended) return;
    ended = true;
    for (const { process } of workers) process.kill('SIGKILL');
    if (error) finished.reject(error);
    else finished.resolve();
  }

  function tell(worker: Worker, message: ToWorker): void {
    // A worker that died meanwhile is dealt with by its exit event.
    if (worker.process.connected) worker.process.send(message, () => {});
  }

  function assign(worker: Worker): void {
    const shard = stopping ? undefined : queue.shift();
    worker.shard = shard ?? null;
    if (shard !== undefined) {
      tell(worker, { type: 'shard', shard });
    } else {
      worker.retired = true;
      worker.process.kill('SIGKILL');
    }
  }

  function onMessage(worker: Worker, message: FromWorker): void {
    options.onMessage(message);
    if (message.type === 'committed') {
      worker.shard = null;
      if (--open === 0) end();
    } else if (message.type === 'idle') assign(worker);
    else if (message.type === 'failed' && !(stopping && message.exitCode === EXIT.tryAgain)) onFailure(worker, message);
  }

  function onFailure(worker: Worker, { exitCode, message }: Extract<FromWorker, { type: 'failed' }>): void {
    worker.reported = true;
    if (exitCode === EXIT.tryAgain) countLoss(worker.shard, message);
    else end(new WorkerError(message, exitCode));
  }

  function countLoss(shard: number | null, reason: string): void {
    const count = (losses.get(shard) ?? 0) + 1;
    losses.set(shard, count);
    if (count < MAX_LOSSES) options.onLost(shard, reason);
    else {
      const what = shard === null ? 'while starting' : `at shard ${shard}`;
      end(new WorkerError(`workers failed ${count} times ${what}, the last time: ${reason}`, EXIT.tryAgain));
    }
  }

  function onExit(worker: Worker, code: number | null, signal: string | null): void {
    workers.delete(worker);
    if (ended) return;
    if (worker.shard !== null) queue.unshift(worker.shard);
    if (stopping) {
      if (workers.size === 0) end(stopped());
      return;
    }
    if (!worker.retired && !worker.reported) {
      countLoss(worker.shard, `worker ${worker.process.pid} was ended by ${signal ?? `exit code ${code}`}`);
    }
    // After the first loss the next try waits: what failed a moment ago (a full disk, a store that restarts) needs time.
    const pause = 1000 * (2 ** Math.max(0, ...losses.values()) - 2);
    setTimeout(() => !ended && !stopping && queue.length > 0 && hire(), Math.max(0, pause));
  }

  function hire(): void {
    const worker: Worker = {
      process: fork(WORKER, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
      shard: null,
      retired: false,
      reported: false,
    };
    workers.add(worker);
    worker.process.on('message', (message) => onMessage(worker, message as FromWorker));
    worker.process.on('exit', (code, signal) => onExit(worker, code, signal));
    worker.process.on('error', (cause) =>
      end(new Failure('PodFailed', 'a worker process cannot be started', { cause })),
    );
    tell(worker, options.start);
  }

  if (open === 0) finished.resolve();
  for (let i = 0; i < Math.min(options.workers, open); i++) hire();
  return {
    done: finished.promise,
    stop() {
      stopping = true;
      for (const worker of workers) tell(worker, { type: 'stop' });
      if (workers.size === 0) end(stopped());
    },
    kill: () => end(stopped()),
    pids: () => [...workers].flatMap(({ process }) => process.pid ?? []),
  };
}
