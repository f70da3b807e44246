import { setTimeout as sleep } from 'node:timers/promises';
import { type JsMsg, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { live, progress, queue } from '../../contract/cluster.ts';
import { otherPlanFailure } from '../../contract/failure.ts';
import { type LiveEvent, type PlanEvent, type ShardEvent, type Task, taskSchema } from '../../contract/schema/task.ts';
import { unlessAborted } from '../abort.ts';
import { ReconnectingConnection } from './connection.ts';
import { QueueError } from './errors.ts';
import { isNobody, wrapQueueError } from './failures.ts';
import { decodePayload, encodePayload } from './payload.ts';
import { ReportThrottle } from './report-throttle.ts';
import { filledFor, managerOf } from './streams.ts';
import type { Lease, QueueOptions, ShardSource } from './types.ts';

/** The queue as a worker's source of shards. Each lease is kept alive while it is worked on. */

export interface ShardSourceOptions extends QueueOptions {
  readonly uid: string;
  /** Calls wait this long for an unreachable server, and for a stream that is not filled yet. */
  readonly timeoutMs?: number;
  /** A worker that waits for a stream to be filled announces its plan again so often. */
  readonly reannounceMs?: number;
}

const TIMEOUT_MS = 300_000;
const REANNOUNCE_MS = 10_000;
const PULL_MS = 1500;
const ASK_MS = 5000;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 2000;
const ACK_TRIES = 3;
const COUNT_EVERY_MS = 60_000;
const NANOS_PER_MS = 1e6;

/** The server is contacted by the first call. @throws QueueError (terminal) for a bad URL or file */
export const openShardSource = (options: ShardSourceOptions): ShardSource => new JetStreamSource(options);

class JetStreamSource implements ShardSource {
  readonly #uid: string;
  readonly #timeoutMs: number;
  readonly #reannounceMs: number;
  readonly #nats: ReconnectingConnection;
  /** Timers that keep leases alive. */
  readonly #keepers = new Set<NodeJS.Timeout>();
  #plan: PlanEvent | null = null;
  /** By the name that reports come under: engines of one pod report apart. */
  readonly #throttles = new Map<string, ReportThrottle>();
  #workers = 1;
  /** When the workers were counted last. */
  #counted = 0;
  #leases = 0;

  constructor({ timeoutMs = TIMEOUT_MS, reannounceMs = REANNOUNCE_MS, ...options }: ShardSourceOptions) {
    this.#uid = options.uid;
    this.#timeoutMs = timeoutMs;
    this.#reannounceMs = reannounceMs;
    this.#nats = new ReconnectingConnection(options);
  }

  async announce(event: PlanEvent, signal?: AbortSignal): Promise<void> {
    await this.#persist('announce the plan', (connection) => this.#storePlan(connection, event), signal);
    this.#plan = event;
  }

  report(event: LiveEvent): void {
    const throttle = this.#throttles.get(event.worker) ?? new ReportThrottle();
    this.#throttles.set(event.worker, throttle);
    throttle.workers = this.#workers;
    const report = throttle.merge(event, Date.now());
    if (report && this.#nats.connected) void this.#send(report).catch(() => {}); // The next one says it all again.
  }

  async #send(event: LiveEvent): Promise<void> {
    const connection = await this.#nats.connection(0);
    const { data, headers } = encodePayload(event);
    connection.publish(live.subject(this.#uid), data, { headers });
    if (Date.now() - this.#counted > COUNT_EVERY_MS) await this.#filled(connection);
  }

  next(signal: AbortSignal = NEVER): Promise<Lease | null> {
    const begun = Date.now();
    let announcedAt = begun;
    const take = async (connection: NatsConnection): Promise<Lease | null | typeof AGAIN> => {
      const before = await this.#filled(connection);
      if (!before) {
        // The operator that fills it may not know the plan any more: a server may have lost its disk.
        if (this.#plan && Date.now() - announcedAt > this.#reannounceMs) {
          await this.#storePlan(connection, this.#plan);
          announcedAt = Date.now();
        }
        return AGAIN;
      }
      const taken = await this.#pull(connection);
      if (signal.aborted) await taken?.release();
      signal.throwIfAborted();
      if (taken) return taken;
      // Empty only if the stream that was asked is still there, and no unfinished shard may come back soon.
      const after = await this.#filled(connection);
      if (after?.created !== before.created) return AGAIN;
      const first = this.#leases === 0;
      return first && after.inFlight > 0 && Date.now() - begun < after.ackWaitMs ? AGAIN : null;
    };
    return this.#persist('take a shard', take, signal);
  }

  async close(): Promise<void> {
    for (const keeper of this.#keepers) clearInterval(keeper);
    this.#keepers.clear();
    await this.#nats.close();
  }

  /** The stream, if it is filled for this worker's plan; null while it is not. */
  async #filled(connection: NatsConnection): Promise<Filled | null> {
    const manager = await managerOf(connection);
    const stream = await manager.streams.info(queue.stream(this.#uid));
    const digest = filledFor(stream);
    if (digest !== null && digest !== this.#plan?.planDigest) {
      const ours = { digest: this.#plan?.planDigest ?? '', name: '' };
      throw otherPlanFailure('the queue', { planDigest: digest }, ours);
    }
    if (digest === null) return null;
    const consumer = await manager.consumers.info(queue.stream(this.#uid), queue.consumer);
    this.#counted = Date.now();
    this.#workers = consumer.num_ack_pending;
    return {
      created: stream.created,
      inFlight: consumer.num_ack_pending,
      ackWaitMs: (consumer.config.ack_wait ?? 0) / NANOS_PER_MS,
    };
  }

  async #pull(connection: NatsConnection): Promise<Lease | null> {
    const consumer = await jetstream(connection).consumers.get(queue.stream(this.#uid), queue.consumer);
    for (;;) {
      const message = await consumer.next({ expires: PULL_MS });
      if (!message) return null;
      const decoded = decodePayload(message, taskSchema);
      const fault = 'value' in decoded ? this.#faultOf(decoded.value) : decoded.fault;
      if ('value' in decoded && fault === null) {
        return this.#lease(message, decoded.value.shard, (await consumer.info(true)).config.ack_wait!);
      }
      message.term(`not a task: ${fault}`);
    }
  }

  /** The stream is filled for this worker's plan: a task of another one is forged, and no reason to fail. */
  #faultOf({ planDigest, shard }: Task): string | null {
    if (planDigest !== this.#plan?.planDigest) return `it is of plan ${planDigest}`;
    return shard < this.#plan.shards ? null : `the plan has no shard ${shard}`;
  }

  /** Reports to the server that the shard is worked on, until it is complete or released. */
  #lease(message: JsMsg, shard: number, ackWait: number): Lease {
    this.#leases++;
    const keeper = setInterval(
      () => {
        if (this.#nats.connected) message.working();
      },
      ackWait / NANOS_PER_MS / 3,
    );
    this.#keepers.add(keeper);
    const end = (): void => {
      clearInterval(keeper);
      this.#keepers.delete(keeper);
    };
    return {
      shard,
      deliveryCount: message.info.deliveryCount,
      complete: (event) => this.#complete(message, event).finally(end),
      release: async () => {
        end();
        await this.#release(message).catch(() => {}); // The server finds out by itself.
        return false;
      },
    };
  }

  async #complete(message: JsMsg, event: ShardEvent): Promise<void> {
    const { data, headers } = encodePayload(event);
    const subject = progress.shard(this.#uid, event.shard);
    await this.#persist(`report shard ${event.shard}`, (connection) =>
      jetstream(connection).publish(subject, data, { headers, timeout: ASK_MS }),
    );
    await this.#acknowledge(message);
  }

  async #release(message: JsMsg): Promise<void> {
    if (!this.#nats.connected) return;
    message.nak();
    const connection = await this.#nats.connection(0);
    await Promise.race([connection.flush(), sleep(ASK_MS)]);
  }

  /** Waits for the server's word, since an acknowledgement that is lost costs another worker's time. */
  async #acknowledge(message: JsMsg): Promise<void> {
    const { reply } = message as JsMsg & { readonly reply: string };
    for (let attempt = 0; attempt < ACK_TRIES; attempt++) {
      try {
        const connection = await this.#nats.connection(this.#timeoutMs);
        await connection.request(reply, '+ACK', { timeout: ASK_MS });
        return;
      } catch (error) {
        if (isNobody(error)) return; // That stream is gone.
      }
    }
  }

  /** Stores the plan in the progress stream: once, however many workers announce it. */
  #storePlan(connection: NatsConnection, event: PlanEvent): Promise<unknown> {
    const uid = this.#uid;
    const { data, headers } = encodePayload(event);
    const msgID = `${uid}.${event.planDigest}`;
    return jetstream(connection).publish(progress.plan(uid), data, { headers, msgID, timeout: ASK_MS });
  }

  /**
   * Runs until there is an answer, over lost connections and servers without their streams, until the time is up or the
   * signal is aborted.
   */
  async #persist<T>(
    action: string,
    run: (connection: NatsConnection) => Promise<T | typeof AGAIN>,
    signal: AbortSignal = NEVER,
  ): Promise<T> {
    const deadline = Date.now() + this.#timeoutMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(MAX_PAUSE_MS, pause * 2)) {
      let failure: QueueError | null = null;
      try {
        const result = await run(await unlessAborted(this.#nats.connection(deadline - Date.now()), signal));
        if (result !== AGAIN) return result;
      } catch (error) {
        signal.throwIfAborted();
        failure = wrapQueueError(error, action, this.#nats.url);
        if (!failure.retryable) throw failure;
      }
      if (Date.now() + pause > deadline) throw failure ?? this.#notFilled();
      await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  #notFilled(): QueueError {
    const seconds = Math.round(this.#timeoutMs / 1000);
    return new QueueError(
      'retryable',
      `the queue of dataset ${this.#uid} at ${this.#nats.url} was not filled within ${seconds} s; check that the operator runs`,
    );
  }
}

const AGAIN = Symbol('again');
const NEVER = new AbortController().signal;

interface Filled {
  readonly created: string;
  readonly inFlight: number;
  readonly ackWaitMs: number;
}
