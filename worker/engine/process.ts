import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { Failure } from '../../contract/failure.ts';
import { installedProgram } from '../../platform/files.ts';
import type { BitDepth } from '../../platform/image/image.ts';
import { uint16Of } from '../../platform/uint16.ts';
import { encodeFrame, FrameReader } from './frames.ts';
import {
  ENGINE_FD,
  type FromEngine,
  fromEngineSchema,
  type ImageRequest,
  PROTOCOL,
  type ReadyMessage,
  type SampledImage,
  type StartMessage,
  type ToEngine,
  type Verdicts,
} from './messages.ts';

/**
 * One engine process, from its start to its end:
 *
 *   spawned --hello--> greeted --start/ready--> ready --sample/images--> ready --(exit, signal, silence)--> ended
 */

/** The command of an engine, and the variables that its environment has besides ours. */
export interface EngineCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Our engine on ONNX Runtime. */
export const ONNX_ENGINE: EngineCommand = {
  argv: [process.execPath, installedProgram('worker/engine/main.ts')],
  env: {},
};

/** The engine is gone: a crash, a kill, or silence. Its requests can be made again elsewhere. */
export class EngineLost extends Error {
  override readonly name = 'EngineLost';
}

export class EngineProcess {
  readonly ready: Promise<ReadyMessage>;
  /** Resolves, with the reason, when the process is gone. */
  readonly lost: Promise<EngineLost>;
  readonly #child: ChildProcess;
  readonly #stallMs: number;
  readonly #bitDepth: BitDepth;
  readonly #starting = Promise.withResolvers<ReadyMessage>();
  readonly #open = new Map<number, PromiseWithResolvers<SampledImage[]> & { readonly size: number }>();
  #isReady = false;
  #requests = 0;
  /** Why it was ended from here. */
  #ending: string | null = null;
  #stall: NodeJS.Timeout | undefined;

  /** @param stallMs an engine that has work and says nothing for so long is stuck, and is ended */
  constructor({ argv, env }: EngineCommand, start: StartMessage, stallMs: number) {
    this.#stallMs = stallMs;
    this.#bitDepth = start.bitDepth ?? 8;
    const [command, ...args] = argv as [string, ...string[]];
    // What a library prints joins the log.
    const stdio = ['ignore', 2, 'inherit', 'pipe', 'pipe'] as const;
    this.#child = spawn(command, args, { stdio: [...stdio], env: { ...process.env, ...env } });
    this.ready = this.#starting.promise;
    this.ready.catch(() => {});
    const requests = this.#child.stdio[ENGINE_FD.requests] as Writable;
    const answers = this.#child.stdio[ENGINE_FD.answers] as Readable;
    for (const stream of [requests, answers]) stream.on('error', () => {}); // The exit says why.
    const reader = new FrameReader();
    answers.on('data', (piece: Uint8Array) => this.#read(reader, piece));
    this.lost = new Promise((resolve) => {
      const end = (how: string): void => resolve(this.#end(how));
      this.#child.on('error', (error) => end(`cannot be started (${error.message})`));
      this.#child.on('close', (code, signal) =>
        end(signal ? `was ended by ${signal}` : `ended with exit code ${code}`),
      );
    });
    this.#send(start);
    this.#listen();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** One image for each request, in order. @throws Failure that the engine reports, EngineLost */
  sample(images: readonly ImageRequest[]): Promise<SampledImage[]> {
    const answer = { ...Promise.withResolvers<SampledImage[]>(), size: images.length };
    const id = ++this.#requests;
    this.#open.set(id, answer);
    this.#send({ type: 'sample', id, images });
    this.#listen();
    return answer.promise;
  }

  /** Ends the process at once. */
  kill(why: string): void {
    this.#ending ??= why;
    this.#child.kill('SIGKILL');
  }

  #send(message: ToEngine): void {
    const requests = this.#child.stdio[ENGINE_FD.requests] as Writable;
    if (requests.writable) for (const piece of encodeFrame(message)) requests.write(piece);
  }

  #read(reader: FrameReader, piece: Uint8Array): void {
    try {
      for (const { header, body } of reader.push(piece)) this.#receive(fromEngineSchema.parse(header), body);
    } catch (error) {
      this.kill(`broke the protocol (${(error as Error).message})`);
    }
    this.#listen();
  }

  #receive(message: FromEngine, body: Uint8Array): void {
    switch (message.type) {
      case 'hello':
        if (message.protocol !== PROTOCOL) this.#refuse(message);
        return;
      case 'ready':
        this.#isReady = true;
        this.#starting.resolve(message);
        return;
      case 'images': {
        const { size, resolve } = this.#answer(message.id);
        if (message.bitDepth !== this.#bitDepth)
          throw new Error(`images of ${message.bitDepth} bits, ${this.#bitDepth} are expected`);
        resolve(imagesOf(message, body, size));
        this.#open.delete(message.id);
        return;
      }
      case 'error': {
        const failure = new Failure(message.reason, message.message, { retryable: message.retryable });
        if (message.id === undefined) this.#starting.reject(failure);
        else this.#answer(message.id).reject(failure);
        this.#open.delete(message.id ?? 0);
      }
    }
  }

  /** Another start would greet in the same way. */
  #refuse({ engine, version, protocol }: Extract<FromEngine, { type: 'hello' }>): void {
    const text =
      `the engine ${engine} ${version} speaks version ${protocol} of the engine protocol, and this worker version ` +
      `${PROTOCOL}; install an engine that fits`;
    this.#starting.reject(new Failure('ProviderUnavailable', text));
    this.kill(text);
  }

  #answer(id: number) {
    const answer = this.#open.get(id);
    if (!answer) throw new Error(`there is no request ${id}`);
    return answer;
  }

  /** Waits for a sign of life, as long as there is something to wait for. */
  #listen(): void {
    clearTimeout(this.#stall);
    if (this.#isReady && this.#open.size === 0) return;
    const stuck = `gave no sign of life for ${Math.round(this.#stallMs / 1000)} s`;
    this.#stall = setTimeout(() => this.kill(stuck), this.#stallMs);
    this.#stall.unref();
  }

  #end(how: string): EngineLost {
    clearTimeout(this.#stall);
    const lost = new EngineLost(`engine ${this.pid ?? ''} ${this.#ending ?? how}`);
    this.#starting.reject(lost);
    for (const { reject } of this.#open.values()) reject(lost);
    this.#open.clear();
    return lost;
  }
}

/** @throws Error when header, body and request do not fit together */
function imagesOf(
  { images, bitDepth, verdicts, features = 0 }: Extract<FromEngine, { type: 'images' }>,
  body: Uint8Array,
  wanted: number,
): SampledImage[] {
  const bytesOf = ({ width, height, channels }: (typeof images)[number]) => (width * height * channels * bitDepth) / 8;
  const pixels = images.reduce((sum, image) => sum + bytesOf(image), 0);
  const bytes = pixels + 2 * features * images.length;
  if (images.length !== wanted || verdicts.length !== wanted || bytes !== body.length) {
    throw new Error(`${images.length} images of ${body.length} bytes, ${wanted} of ${bytes} are expected`);
  }
  let at = 0;
  return images.map((size, i) => {
    const begin = at;
    at += bytesOf(size);
    const data = body.subarray(begin, at);
    const from = pixels + 2 * features * i;
    return {
      image: { ...size, data: bitDepth === 16 ? uint16Of(data) : data },
      verdicts: verdicts[i] as Verdicts,
      ...(features > 0 && { features: uint16Of(body.subarray(from, from + 2 * features)) }),
    };
  });
}
