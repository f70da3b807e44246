import { setTimeout as sleep } from 'node:timers/promises';
import { type JsMsg, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { live, progress, queue } from '../../contract/cluster.ts';
import { otherPlanFailure } from '../../contract/failure.ts';
import { type LiveEvent, type PlanEvent, type ShardEvent, type Task, taskSchema } from '../../contract/schema/task.ts';
import { QueueError } from './errors.ts';
import { isNobody, wrapQueueError } from './failures.ts';
import { Link } from './link.ts';
import { LivePace } from './live-pace.ts';
import { decodePayload, encodePayload } from './payload.ts';
import { filledFor, managerOf } from './streams.ts';
import type { Taken, WorkerQueueOptions } from './worker-messages.ts';

/** What the thread of a worker's queue does: the connection, and the one delivery that is kept alive while it is worked on. */

const PULL_MS = 1500;
const ASK_MS = 5000;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 2000;
const ACK_TRIES = 3;
const COUNT_EVERY_MS = 60_000;
const NANOS_PER_MS = 1e6;

interface Open {
  readonly message: JsMsg;
  readonly keeper: NodeJS.Timeout;
}

export class WorkerSession {
  readonly #options: WorkerQueueOptions;
  readonly #link: Link;
  readonly #open = new Map<number, Open>();
  #plan: PlanEvent | null = null;
  readonly #pace = new LivePace();
  /** When the workers were counted last. */
  #counted = 0;
  #lastBeat = Date.now();
  #deliveries = 0;

  constructor(options: WorkerQueueOptions) {
    this.#options = options;
    this.#link = new Link(options);
  }

  /** A sign of life of the main thread. */
  beat(): void {
    this.#lastBeat = Date.now();
  }

  async tellPlan(event: PlanEvent): Promise<void> {
    await this.#persist('tell the plan', (connection) => this.#storePlan(connection, event));
    this.#plan = event;
  }

  live(event: LiveEvent): void {
    const report = this.#pace.merge(event, Date.now());
    if (report && this.#link.connected) void this.#report(report).catch(() => {}); // The next one says it all again.
  }

  async #report(event: LiveEvent): Promise<void> {
    const connection = await this.#link.connection(0);
    const { data, headers } = encodePayload(event);
    connection.publish(live.subject(this.#options.uid), data, { headers });
    if (Date.now() - this.#counted > COUNT_EVERY_MS) await this.#filled(connection);
  }

  take(): Promise<Taken | null> {
    const begun = Date.now();
    let toldAt = begun;
    return this.#persist('take a shard', async (connection) => {
      const before = await this.#filled(connection);
      if (!before) {
        // Whoever fills it may not know the plan any more: a server may have lost its disk.
        if (this.#plan && Date.now() - toldAt > this.#options.retellMs) {
          await this.#storePlan(connection, this.#plan);
          toldAt = Date.now();
        }
        return AGAIN;
      }
      const taken = await this.#pull(connection);
      if (taken) return taken;
      // Empty only if the stream that was asked is still there, and nobody's unfinished shard may come back soon.
      const after = await this.#filled(connection);
      if (after?.created !== before.created) return AGAIN;
      const first = this.#deliveries === 0;
      return first && after.inFlight > 0 && Date.now() - begun < after.ackWaitMs ? AGAIN : null;
    });
  }

  async done(delivery: number, event: ShardEvent): Promise<void> {
    const { message } = this.#opened(delivery);
    const { data, headers } = encodePayload(event);
    const subject = progress.shard(this.#options.uid, event.shard);
    await this.#persist(`tell of shard ${event.shard}`, (connection) =>
      jetstream(connection).publish(subject, data, { headers, timeout: ASK_MS }),
    );
    try {
      await this.#acknowledge(message);
    } finally {
      this.#forget(delivery);
    }
  }

  async giveBack(delivery: number, delayMs: number): Promise<void> {
    const { message } = this.#opened(delivery);
    this.#forget(delivery);
    if (!this.#link.connected) return; // The server finds out by itself.
    message.nak(delayMs);
    const connection = await this.#link.connection(0);
    await Promise.race([connection.flush(), sleep(ASK_MS)]).catch(() => {});
  }

  async close(): Promise<void> {
    for (const delivery of [...this.#open.keys()]) this.#forget(delivery);
    await this.#link.close();
  }

  /** The stream, if it is filled for this worker's plan; null while it is not. */
  async #filled(connection: NatsConnection): Promise<Filled | null> {
    const manager = await managerOf(connection);
    const stream = await manager.streams.info(queue.stream(this.#options.uid));
    const digest = filledFor(stream);
    if (digest !== null && digest !== this.#plan?.planDigest) {
      const ours = { digest: this.#plan?.planDigest ?? '', name: '' };
      throw otherPlanFailure('the queue', { planDigest: digest }, ours);
    }
    if (digest === null) return null;
    const consumer = await manager.consumers.info(queue.stream(this.#options.uid), queue.consumer);
    this.#counted = Date.now();
    this.#pace.workers = consumer.num_ack_pending;
    return {
      created: stream.created,
      inFlight: consumer.num_ack_pending,
      ackWaitMs: (consumer.config.ack_wait ?? 0) / NANOS_PER_MS,
    };
  }

  async #pull(connection: NatsConnection): Promise<Taken | null> {
    const consumer = await jetstream(connection).consumers.get(queue.stream(this.#options.uid), queue.consumer);
    for (;;) {
      const message = await consumer.next({ expires: PULL_MS });
      if (!message) return null;
      const decoded = decodePayload(message, taskSchema);
      const fault = 'value' in decoded ? this.#faultOf(decoded.value) : decoded.fault;
      if ('value' in decoded && fault === null) {
        return this.#keep(message, decoded.value, (await consumer.info(true)).config.ack_wait!);
      }
      message.term(`no task: ${fault}`);
    }
  }

  /** The stream is filled for this worker's plan: a task of another one is forged, and no reason to fail. */
  #faultOf({ planDigest, shard }: Task): string | null {
    if (planDigest !== this.#plan?.planDigest) return `it is of plan ${planDigest}`;
    return shard < this.#plan.shards ? null : `the plan has no shard ${shard}`;
  }

  /** Says that the delivery is worked on, for as long as the main thread lives. */
  #keep(message: JsMsg, task: Task, ackWait: number): Taken {
    const delivery = ++this.#deliveries;
    const keeper = setInterval(
      () => {
        if (Date.now() - this.#lastBeat > this.#options.stallMs) clearInterval(keeper);
        else if (this.#link.connected) message.working();
      },
      ackWait / NANOS_PER_MS / 3,
    );
    this.#open.set(delivery, { message, keeper });
    return { delivery, task, deliveryCount: message.info.deliveryCount };
  }

  #opened(delivery: number): Open {
    const open = this.#open.get(delivery);
    if (!open) throw new TypeError(`delivery ${delivery} is not open`);
    return open;
  }

  #forget(delivery: number): void {
    clearInterval(this.#open.get(delivery)?.keeper);
    this.#open.delete(delivery);
  }

  /** Waits for the server's word, since an acknowledgement that is lost costs another worker's time. */
  async #acknowledge(message: JsMsg): Promise<void> {
    const { reply } = message as JsMsg & { readonly reply: string };
    for (let attempt = 0; attempt < ACK_TRIES; attempt++) {
      try {
        const connection = await this.#link.connection(this.#options.patienceMs);
        await connection.request(reply, '+ACK', { timeout: ASK_MS });
        return;
      } catch (error) {
        if (isNobody(error)) return; // That stream is gone.
      }
    }
  }

  /** Stores the plan in the progress stream: once, however many workers tell it. */
  #storePlan(connection: NatsConnection, event: PlanEvent): Promise<unknown> {
    const { uid } = this.#options;
    const { data, headers } = encodePayload(event);
    const msgID = `${uid}.${event.planDigest}`;
    return jetstream(connection).publish(progress.plan(uid), data, { headers, msgID, timeout: ASK_MS });
  }

  /** Runs until there is an answer, over lost connections and servers without their streams, for as long as patience lasts. */
  async #persist<T>(action: string, run: (connection: NatsConnection) => Promise<T | typeof AGAIN>): Promise<T> {
    const deadline = Date.now() + this.#options.patienceMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(MAX_PAUSE_MS, pause * 2)) {
      let failure: QueueError | null = null;
      try {
        const result = await run(await this.#link.connection(deadline - Date.now()));
        if (result !== AGAIN) return result;
      } catch (error) {
        failure = wrapQueueError(error, action, this.#link.url);
        if (!failure.retryable) throw failure;
      }
      if (Date.now() + pause > deadline) throw failure ?? this.#notFilled();
      await sleep(pause);
    }
  }

  #notFilled(): QueueError {
    const seconds = Math.round(this.#options.patienceMs / 1000);
    return new QueueError(
      'retryable',
      `the queue of dataset ${this.#options.uid} at ${this.#link.url} was not filled within ${seconds} s; check that the operator runs`,
    );
  }
}

const AGAIN = Symbol('again');

interface Filled {
  readonly created: string;
  readonly inFlight: number;
  readonly ackWaitMs: number;
}
