import { execFile } from 'node:child_process';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { cacheDir } from '../cli/load.ts';
import { EXPORTER_ENVIRONMENT } from '../cli/model/exporter.ts';
import { type Environment, virtualPython } from '../cli/train/venv.ts';
import { installedFile } from '../platform/files.ts';
import { startEngine } from '../worker/engine/engine.ts';
import { median, peakMemory, startPeer, timed } from './measure.ts';
import { GUIDANCE, PROMPT } from './sampling.ts';

/**
 * A model of exactly the shape of Stable Diffusion 2.1, with random weights, on the CPU: time for an image, memory and cold
 * start against diffusers and optimum. Each contender starts alone, in turn, round by round. What was measured is kept in
 * out/real-size.json, so that a stopped run continues; remove it to measure again. Writes real-size.md.
 */

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '2' } } });
const [ROUNDS, IMAGES, STEPS, SIZE] = [Number(values.rounds), 1, 3, 512];
const SAMPLING = { steps: STEPS, guidanceScale: GUIDANCE, negativePrompt: '', height: SIZE, width: SIZE };

const OPENVINO: Environment = {
  name: 'bench-openvino',
  requirements: [installedFile('bench/requirements-openvino.txt')],
};

const run = promisify(execFile);
const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface Folders {
  readonly diffusers: string;
  readonly exported: string;
  readonly optimised: string;
}

/** Makes the model once; it takes 15 GB and some minutes. */
async function makeModels(python: string): Promise<Folders> {
  const at = join(cacheDir(), 'bench-real-size');
  const folders = {
    diffusers: join(at, 'diffusers'),
    exported: join(at, 'exported'),
    optimised: join(at, 'optimised'),
  };
  const cli = (...args: string[]) => run(process.execPath, ['cli/main.ts', 'model', ...args]);
  await once(folders.diffusers, (output) =>
    run(python, ['bench/python/make_model.py', 'real-size', output, 'models/phantom/tokenizer']),
  );
  await once(folders.exported, (output) => cli('export', folders.diffusers, '--output', output));
  await once(folders.optimised, (output) => cli('optimize', folders.exported, '--output', output, '--for', 'cpu'));
  return folders;
}

async function once(folder: string, make: (output: string) => Promise<unknown>): Promise<void> {
  if (await access(folder).catch(() => 'missing')) {
    say(`making ${folder}`);
    await rm(`${folder}.unfinished`, { recursive: true, force: true });
    await make(`${folder}.unfinished`);
    await rename(`${folder}.unfinished`, folder);
  }
}

const KEPT = 'out/real-size.json';

/** A measurement of before, or a new one. */
async function kept<T>(name: string, make: () => Promise<T>): Promise<T> {
  const found = JSON.parse(await readFile(KEPT, 'utf8').catch(() => '{}'));
  if (name in found) return found[name];
  const made = await make();
  await mkdir('out', { recursive: true });
  await writeFile(KEPT, JSON.stringify({ ...found, [name]: made }, null, 2));
  return made;
}

/** One start of a contender. */
interface Round {
  /** Seconds to the first image. */
  readonly cold: number;
  /** Seconds for an image, after the first. */
  readonly image: number;
  /** Bytes. */
  readonly peak: number;
}

interface Contender {
  readonly name: string;
  start(): Promise<{ image(): Promise<unknown>; peak(): Promise<number>; end(): void }>;
}

/** An engine process, as a worker has it; the worker's own process is this one. */
const engineOf = (name: string, model: string): Contender => ({
  name,
  async start() {
    const engine = startEngine({
      start: { model, sampling: SAMPLING, batchSize: 1, provider: 'cpu', threads: null, gates: [], encoder: null },
    });
    await engine.ready;
    return {
      image: () => engine.sample([{ prompt: PROMPT, seed: 0, axes: {}, exact: {} }]),
      peak: async () => (await peakMemory(engine.pid!)) + process.memoryUsage.rss(),
      end: () => engine.close(),
    };
  },
});

const peerOf = (name: string, python: string, args: readonly string[]): Contender => ({
  name,
  async start() {
    const peer = await startPeer(python, ['bench/python/peers.py', ...args]);
    const request = { images: 1, batch: 1, steps: STEPS, height: SIZE, width: SIZE };
    return { image: () => peer.ask(request), peak: () => peakMemory(peer.pid), end: () => peer.end() };
  },
});

async function measure({ name, start }: Contender): Promise<Round> {
  const begin = performance.now();
  const started = await start();
  try {
    await started.image();
    const cold = (performance.now() - begin) / 1000;
    const image = await timed(async () => {
      for (let i = 0; i < IMAGES; i++) await started.image();
    });
    const round = { cold, image: image / IMAGES, peak: await started.peak() };
    say(`${name}: ${round.image.toFixed(1)} s an image, ${gigabytes(round.peak)}, first after ${cold.toFixed(0)} s`);
    return round;
  } finally {
    started.end();
  }
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

const exporter = await virtualPython(EXPORTER_ENVIRONMENT);
const openvino = await virtualPython(OPENVINO);
const models = await makeModels(exporter);
const contenders = [
  engineOf('CohortFarm, `model optimize --for cpu`', models.optimised),
  engineOf('CohortFarm, as exported', models.exported),
  peerOf('optimum (ONNX Runtime)', exporter, ['optimum', models.exported]),
  peerOf('diffusers (PyTorch)', exporter, ['diffusers', models.diffusers]),
  peerOf('diffusers in bfloat16', exporter, ['diffusers-bfloat16', models.diffusers]),
] as const;
const rounds: Round[][] = contenders.map(() => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, contender] of contenders.entries())
    rounds[i]!.push(await kept(`round ${round}, ${contender.name}`, () => measure(contender)));
}

/** The speed relative to a peer: the median over rounds of the ratio within the round. */
const ratio = (ours: number, peer: number): string =>
  median(rounds[ours]!.map(({ image }, round) => rounds[peer]![round]!.image / image)).toFixed(2);

const unets = [
  ['ONNX Runtime, optimised graph', exporter, 'onnxruntime', join(models.optimised, 'unet/model.onnx')],
  ['ONNX Runtime, as exported', exporter, 'onnxruntime', join(models.exported, 'unet/model.onnx')],
  ['PyTorch', exporter, 'torch-float32', join(models.diffusers, 'unet')],
  ['PyTorch in bfloat16', exporter, 'torch-bfloat16', join(models.diffusers, 'unet')],
  ['OpenVINO', openvino, 'openvino-f32', join(models.exported, 'unet/model.onnx')],
  ['OpenVINO in bfloat16', openvino, 'openvino-bf16', join(models.exported, 'unet/model.onnx')],
] as const;
const calls: string[] = [];
for (const [name, python, kind, path] of unets) {
  const found = await kept(name, async (): Promise<{ load: number; seconds: number; peak: number }> => {
    const { stdout } = await run(python, ['bench/python/unet.py', kind, path]);
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  });
  calls.push(`| ${name} | ${found.seconds.toFixed(2)} s | ${gigabytes(found.peak)} | ${found.load.toFixed(0)} s |`);
  say(calls.at(-1)!);
}

const check = ['model', 'check', models.optimised, '--source', models.diffusers, '--steps', `${STEPS}`, '--json'];
const { stdout } = await run(process.execPath, ['cli/main.ts', ...check, '--batch-size', '1', '--provider', 'cpu']);
const { diffusers } = JSON.parse(stdout) as { diffusers: { latents: number; levels: number } };

const rows = contenders.map(({ name }, i) => {
  const of = (pick: (round: Round) => number): number => median(rounds[i]!.map(pick));
  const image = of(({ image }) => image).toFixed(1);
  return `| ${name} | ${image} s | ${gigabytes(of(({ peak }) => peak))} | ${of(({ cold }) => cold).toFixed(0)} s |`;
});
const [optimised, exported, optimum, torch] = [0, 1, 2, 3];
const text = `# A model of the real size

Written by \`npm run bench:real\` on ${cpus()[0]!.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}: a model of exactly
the shape of Stable Diffusion 2.1 with random weights, ${SIZE}x${SIZE}, ${STEPS} guided PNDM steps (${STEPS + 1} calls of the UNet) and the decoder,
float32 where not said otherwise, one image at a time. Each contender starts alone, in turn, ${ROUNDS} rounds; medians. Peak memory
is that of the process, for CohortFarm of the engine and of the worker beside it. Cold start is the time to the first
image, for CohortFarm with the trial of a batch before it.

| what | an image | peak memory | cold start |
| --- | --- | --- | --- |
${rows.join('\n')}

| the optimised graph | times as fast | target |
| --- | --- | --- |
| against optimum | ${ratio(optimised, optimum)} | at least 1.1 |
| against diffusers | ${ratio(optimised, torch)} | at least 1.3 |
| against the graph as exported | ${ratio(optimised, exported)} | |

Its latents differ from those of diffusers by at most ${diffusers.latents.toPrecision(2)}, its images by at most ${diffusers.levels} of 255 levels.

## One guided call of the UNet

Two rows, in one process of Python each, after two calls that do not count.

| what | a call | peak memory | load |
| --- | --- | --- | --- |
${calls.join('\n')}
`;
await writeFile(new URL('real-size.md', import.meta.url), text);
process.stdout.write(text);
