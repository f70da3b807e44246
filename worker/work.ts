import { Failure } from '../contract/failure.ts';
import type { ShardRecord } from '../contract/schema/record.ts';
import { type Claimant, claim, standing } from '../dataset/claim.ts';
import { unlessAborted } from '../platform/abort.ts';
import type { Lease, ShardSource } from '../platform/queue/types.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { engineStart, shardContext } from './context.ts';
import { deviceEnv, visibleDevices } from './engine/devices.ts';
import { type Engine, startEngine } from './engine/engine.ts';
import type { StartMessage } from './engine/messages.ts';
import { type EngineCommand, ONNX_ENGINE } from './engine/process.ts';
import { LiveReporter, planEventOf, shardEventOf } from './live-reporter.ts';
import type { Prepared } from './prepare.ts';
import { createKeeper, type Keeper } from './rejected-store.ts';
import { type BatchProgress, runShard } from './run-shard.ts';

/**
 * A worker, in a pod or on a laptop: its engines, and the shards of a source, one to each engine. This process never waits for
 * a session call, so storing, keep-alives and signals continue while engines sample. While a shard's last part is stored and its
 * record committed, its engine samples the next shard.
 */

export interface Work {
  readonly prepared: Prepared;
  readonly store: ObjectStore;
  readonly claimant: Claimant;
  readonly source: ShardSource;
  readonly engines: EngineSettings;
  /** In reports of running work. */
  readonly name: string;
  /** Aborted, with a StoppedError, when the work is to stop: what is accepted is stored, and nothing more is begun. */
  readonly stop: AbortSignal;
  readonly observer: WorkObserver;
}

export interface EngineSettings {
  readonly count: number;
  readonly provider: StartMessage['provider'];
  /** CPU threads of each; null for as many as there are cores. */
  readonly threads: number | null;
  readonly command?: EngineCommand;
}

/** Sees what happens, for a log or a progress bar. */
export interface WorkObserver {
  /** Model and gates are loaded. */
  ready(engine: { readonly provider: string; readonly reason: string }): void;
  begun(lease: Pick<Lease, 'shard' | 'deliveryCount'>): void;
  resumed(progress: { readonly shard: number; readonly samples: number }): void;
  sampled(progress: BatchProgress): void;
  committed(record: ShardRecord): void;
  /** An engine crashed and its batch is made again. */
  crashed(what: string): void;
}

const REPORT_MS = 2000;

/**
 * Does shards until the source has none. Nothing is claimed or announced before model and gates are known to load, and
 * nothing is announced of a plan whose output belongs to another. Whatever fails first ends all engines.
 * @returns how many shards were done. @throws StoppedError when asked to stop; what any step throws
 */
export async function work(task: Work): Promise<number> {
  const { prepared, store, claimant, source, stop } = task;
  const halt = new AbortController();
  const onStop = (): void => halt.abort(stop.reason);
  if (stop.aborted) onStop();
  else stop.addEventListener('abort', onStop, { once: true });
  const engines: Engine[] = [];
  halt.signal.addEventListener('abort', () => closeAll(engines));
  try {
    halt.signal.throwIfAborted();
    await unlessAborted(standing(store, prepared.plan, claimant), halt.signal);
    engines.push(...startEngines(task));
    await unlessAborted(Promise.all(engines.map(({ ready }) => ready)), halt.signal);
    assertOneKind(engines);
    task.observer.ready(engines[0]!);
    await unlessAborted(claim(store, prepared.plan, claimant), halt.signal);
    await source.announce(planEventOf(prepared.plan), halt.signal);
    const keeper = createKeeper(prepared.plan, store);
    const lanes = engines.map((engine, i) => new Lane({ ...task, engine, halt, keeper, name: laneName(task, i) }));
    const ends = await Promise.allSettled(lanes.map((lane) => lane.run()));
    halt.signal.throwIfAborted();
    return ends.reduce((sum, end) => sum + (end as PromiseFulfilledResult<number>).value, 0);
  } finally {
    stop.removeEventListener('abort', onStop);
    closeAll(engines);
  }
}

function startEngines({ prepared, engines, observer }: Work): Engine[] {
  const { count, command = ONNX_ENGINE } = engines;
  const devices = engines.provider === 'cpu' ? [] : visibleDevices();
  return Array.from({ length: count }, (_, i) =>
    startEngine({
      start: engineStart(prepared, engines),
      command: { ...command, env: { ...command.env, ...deviceEnv(devices, i) } },
      onCrash: (what) => observer.crashed(what),
    }),
  );
}

function closeAll(engines: readonly Engine[]): void {
  for (const engine of engines) engine.close();
}

/** Bytes depend on the kind of hardware, so a dataset comes from one. */
function assertOneKind(engines: readonly Engine[]): void {
  const [first] = engines;
  const other = engines.find(({ provider }) => provider !== first!.provider);
  if (!other) return;
  throw new Failure(
    'ProviderUnavailable',
    `one engine runs on ${first!.provider} (${first!.reason}), another on ${other.provider} (${other.reason}); ` +
      'set spec.model.executionProvider to the one that all of them have',
  );
}

const laneName = ({ name, engines }: Work, i: number): string => (engines.count === 1 ? name : `${name}.${i}`);

interface LaneOptions extends Work {
  readonly engine: Engine;
  /** Aborted, with the reason, when all work is to end. */
  readonly halt: AbortController;
  readonly keeper: Keeper;
}

/** One engine and the shards that go through it. */
class Lane {
  readonly #options: LaneOptions;
  readonly #reporter: LiveReporter;

  constructor(options: LaneOptions) {
    this.#options = options;
    const { name, source } = options;
    this.#reporter = new LiveReporter(
      name,
      (event) => source.report(event),
      () => performance.now() / 1000,
    );
  }

  async run(): Promise<number> {
    const { source, halt } = this.#options;
    const timer = setInterval(() => this.#reporter.report(), REPORT_MS);
    let committing: Promise<void> = Promise.resolve();
    let latest = committing;
    try {
      for (let done = 0; ; done++) {
        const lease = await source.next(halt.signal);
        if (!lease) {
          await committing;
          return done;
        }
        const sampled = Promise.withResolvers<void>();
        latest = this.#doShard(lease, sampled.resolve).finally(sampled.resolve);
        latest.catch(() => {}); // Awaited as `committing`, or when the work fails.
        await sampled.promise;
        await committing;
        committing = latest;
      }
    } catch (error) {
      halt.abort(error);
      // Both may still store what is accepted, and give back their lease.
      await Promise.allSettled([committing, latest]);
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  async #doShard(lease: Lease, onSampled: () => void): Promise<void> {
    const { prepared, store, engine, halt, keeper, observer } = this.#options;
    const { shard } = lease;
    observer.begun(lease);
    this.#reporter.begin(shard);
    try {
      const context = shardContext(prepared.plan, store, engine, {
        keeper,
        onBatch: (progress) => {
          this.#reporter.add(progress);
          observer.sampled(progress);
        },
        onResume: (progress) => observer.resumed(progress),
        onSampled: () => {
          this.#reporter.report();
          onSampled();
        },
      });
      const record = await runShard(context, shard);
      await lease.complete(shardEventOf(prepared.plan, record));
      observer.committed(record);
    } catch (error) {
      // The next worker resumes from the stored parts.
      const end = await lease.release(error).then(
        (mayContinue) => (mayContinue ? null : error),
        (givenUp) => givenUp,
      );
      if (end === null) return;
      halt.abort(end);
      throw end;
    } finally {
      this.#reporter.end(shard);
    }
  }
}
