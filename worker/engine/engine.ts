import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, StoppedError, UsageError } from '../../contract/failure.ts';
import { type ImageRequest, PROTOCOL, type ReadyMessage, type SampledImage, type StartMessage } from './messages.ts';
import { type EngineCommand, EngineLost, EngineProcess, ONNX_ENGINE } from './process.ts';

/**
 * An engine that outlives its processes: when one crashes, the next makes the open batches again. A batch at which it
 * crashes again and again fails, and so does a model that cannot be loaded.
 */

export interface Engine {
  /** Resolves when the model is loaded. @throws Failure when that cannot be done */
  readonly ready: Promise<void>;
  /** The hardware that the images come from, such as "cpu"; known once it is ready. */
  readonly provider: string;
  /** Why it is that one, for the log. */
  readonly reason: string;
  /** Every call computes a multiple of so many images, whether asked for or not: attempts for the rest cost nothing. */
  readonly rows: number;
  /** The process that works now. */
  readonly pid: number | undefined;
  /** One image for each request, in order. Several calls may be open; they are worked on one after another. @throws Failure */
  sample(images: readonly ImageRequest[]): Promise<SampledImage[]>;
  /** Ends the process; what is open fails with a StoppedError. */
  close(): void;
}

export interface EngineOptions {
  readonly start: Omit<StartMessage, 'type' | 'protocol'>;
  readonly command?: EngineCommand;
  /** Reports a crash that costs no more than a batch. */
  readonly onCrash?: (what: string) => void;
  readonly stallMs?: number;
}

/** Crashes at one batch, or in a row while starting, after which it fails. */
const MAX_CRASHES = 3;
/** Between a second and a third crash and the next start; after a first crash there is no pause. */
const PAUSE_MS = 2000;
/** Longer than any single session call; an engine that lives says so between two of them. */
const STALL_SECONDS = 900;
const STALL_VARIABLE = 'COHORTFARM_ENGINE_STALL_SECONDS';

/** @throws UsageError */
function stallFromEnv(text = process.env[STALL_VARIABLE]): number {
  const seconds = text === undefined ? STALL_SECONDS : Number(text);
  if (seconds > 0) return seconds * 1000;
  throw new UsageError(
    `${STALL_VARIABLE} is ${JSON.stringify(text)}, not a number of seconds above 0; correct or unset it`,
  );
}

interface Batch extends PromiseWithResolvers<SampledImage[]> {
  readonly images: readonly ImageRequest[];
  crashes: number;
}

/** Starts an engine, which loads its model. */
export const startEngine = (options: EngineOptions): Engine => new LastingEngine(options);

class LastingEngine implements Engine {
  readonly ready: Promise<void>;
  provider = '';
  reason = '';
  rows = 1;
  readonly #options: EngineOptions;
  readonly #stallMs: number;
  /** In the order of the calls. */
  readonly #open = new Set<Batch>();
  #process: EngineProcess | null = null;
  /** Whether its model is loaded. */
  #isReady = false;
  /** Failed for good, or closed. */
  #failure: Error | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#stallMs = options.stallMs ?? stallFromEnv();
    this.ready = this.#begin();
    this.ready.catch((error) => this.#fail(error));
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts a process; crashes on the way are tried again. */
  async #begin(): Promise<void> {
    const { start, command = ONNX_ENGINE } = this.#options;
    for (let crashes = 0; ; ) {
      if (this.#failure) throw this.#failure; // Closed in the pause before this start.
      const one = new EngineProcess(command, { type: 'start', protocol: PROTOCOL, ...start }, this.#stallMs);
      this.#process = one;
      try {
        const ready = await one.ready;
        if (this.#failure) throw this.#failure;
        this.#adopt(ready);
        void one.lost.then((lost) => this.#recover(lost));
        this.#isReady = true;
        for (const batch of this.#open) this.#run(one, batch);
        return;
      } catch (error) {
        one.kill('was not needed any more');
        if (this.#failure) throw this.#failure;
        if (!(error instanceof EngineLost)) throw error;
        if (++crashes >= MAX_CRASHES) throw crashed(`${error.message}, as ${crashes} times in a row while it started`);
        this.#options.onCrash?.(`${error.message} while it started; it starts again`);
        await sleep(PAUSE_MS * (crashes - 1));
      }
    }
  }

  sample(images: readonly ImageRequest[]): Promise<SampledImage[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const batch: Batch = { ...Promise.withResolvers(), images, crashes: 0 };
    this.#open.add(batch);
    if (this.#isReady) this.#run(this.#process!, batch);
    return batch.promise;
  }

  close(): void {
    this.#fail(new StoppedError('the engine was stopped'));
  }

  /** Images of one dataset come from one kind of hardware, also after a crash. */
  #adopt({ provider, reason, rows }: ReadyMessage): void {
    if (this.provider !== '' && this.provider !== provider) {
      throw new Failure(
        'ProviderUnavailable',
        `the engine ran on ${this.provider} and now would on ${provider}: ${reason}`,
      );
    }
    this.provider = provider;
    this.reason = reason;
    this.rows = rows;
  }

  #run(process: EngineProcess, batch: Batch): void {
    process.sample(batch.images).then(
      (images) => this.#settle(batch, () => batch.resolve(images)),
      (error) => {
        if (error instanceof EngineLost) return; // `#recover` sees to it.
        // A device that failed once may be of no use any more: the next process begins with a fresh one.
        if (error.retryable && process === this.#process) process.kill(`failed: ${error.message}`);
        else if (!error.retryable) this.#settle(batch, () => batch.reject(error));
      },
    );
  }

  #settle(batch: Batch, settle: () => void): void {
    this.#open.delete(batch);
    settle();
  }

  /** The oldest open batch is the one that was worked on. */
  async #recover(lost: EngineLost): Promise<void> {
    if (this.#failure) return;
    this.#isReady = false;
    const [batch] = this.#open;
    if (batch && ++batch.crashes >= MAX_CRASHES) {
      this.#settle(batch, () =>
        batch.reject(crashed(`${lost.message}, as ${batch.crashes} times ${batchText(batch)}`)),
      );
    }
    const rest = batch ? `; ${batch.images.length} images are made again` : '';
    this.#options.onCrash?.(`${lost.message}${rest}`);
    try {
      await sleep(PAUSE_MS * Math.max(0, (batch?.crashes ?? 1) - 1));
      if (!this.#failure) await this.#begin();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#process?.kill('was stopped');
    for (const { reject } of this.#open) reject(this.#failure);
    this.#open.clear();
  }
}

const batchText = ({ images }: Batch): string =>
  `at the same batch of ${images.length} images (seeds ${images.map(({ seed }) => seed).join(', ')})`;

/** It may work on another node: not for good. */
const crashed = (what: string): Failure =>
  new Failure(
    'EngineCrashed',
    `${what}; its last lines are in the log. SIGKILL mostly means that memory ran out: lower spec.workers.batchSize or raise the limit`,
    { retryable: true },
  );
