import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describeError, Failure, reasonOf } from '../../contract/failure.ts';
import { chooseProvider } from '../../diffusion/onnx.ts';
import { installedProgram } from '../../platform/files.ts';
import { bitDepthOf } from '../../platform/image/image.ts';
import { uint16Bytes } from '../../platform/uint16.ts';
import { VERSION } from '../../platform/version.ts';
import { encodeFrame } from './frames.ts';
import { type LoadedEngine, loadEngine } from './load.ts';
import {
  ENGINE_FD,
  type EngineMessage,
  PROTOCOL,
  type SampleMessage,
  type StartMessage,
  type ToEngine,
} from './messages.ts';

/** An engine on ONNX Runtime: the only program that loads it. Prompts and seeds in, pixels and verdicts out. */

/** Between two steps this thread is free for a moment, and says that it lives. */
const ALIVE_MS = 5000;

let engine: LoadedEngine | null = null;
/** One batch is sampled at a time; the gates of the last one look at it between the steps of the next. */
let sampling: Promise<unknown> = Promise.resolve();

function send(message: EngineMessage, body: readonly Uint8Array[] = []): void {
  for (const piece of encodeFrame(message, body)) {
    for (let at = 0; at < piece.length; ) at += writeSync(ENGINE_FD.answers, piece, at);
  }
}

async function start(message: StartMessage): Promise<void> {
  const { provider, reason } = await chooseProvider(message.provider);
  const loaded = await loadEngine(message, provider);
  await loaded.trial();
  engine = loaded;
  send({ type: 'ready', provider, reason, rows: loaded.rows });
}

async function sample({ id, images: requests }: SampleMessage): Promise<void> {
  const turn = sampling.then(() => engine!.generate(requests));
  sampling = turn.catch(() => {});
  const images = await turn;
  const { verdicts, features } = await engine!.judge(images, requests);
  send(
    {
      type: 'images',
      id,
      images: images.map(({ data: _data, ...size }) => size),
      bitDepth: bitDepthOf(images[0]!.data),
      verdicts: [...verdicts],
      ...(features && { features: features[0]!.length }),
    },
    [
      ...images.map(({ data }) => (data instanceof Uint16Array ? uint16Bytes(data) : data)),
      ...(features ?? []).map(uint16Bytes),
    ],
  );
}

function fail(error: unknown, id?: number): void {
  const retryable = !(error instanceof Failure) || error.retryable;
  send({
    type: 'error',
    ...(id !== undefined && { id }),
    reason: reasonOf(error),
    retryable,
    message: describeError(error),
  });
}

// Ctrl-C reaches the whole process group; the parent decides when its engines end.
process.on('SIGINT', () => {});
send({ type: 'hello', protocol: PROTOCOL, engine: 'onnxruntime', version: VERSION });
setInterval(() => send({ type: 'alive' }), ALIVE_MS);
new Worker(installedProgram('worker/engine/reader.ts')).on('message', (message: ToEngine) => {
  if (message.type === 'start') start(message).catch(fail);
  else sample(message).catch((error) => fail(error, message.id));
});
