import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { isGateFile, isModelFile } from '../../contract/folder.ts';
import { EXIT } from '../../contract/names.ts';
import { fetchFolder, resolveUri } from '../../platform/resource.ts';
import { openStore } from '../../platform/store/store.ts';
import { assertFree, exporterPython, runExporter } from '../model/exporter.ts';
import { pushFolder } from '../model/push.ts';
import { type CheckOptions, reportCheck } from '../model/report.ts';
import { addS3Options, type S3Flags, s3FromFlags } from '../open.ts';

/** `cohortfarm model`: from a checkpoint of diffusers or PyTorch to what workers load. */

const PYTHON = [
  '--python <path>',
  'a Python with exporter/requirements.txt; default: an environment in the cache',
] as const;

export function addModel(program: Command): void {
  const model = program
    .command('model')
    .description('Export, optimise, check and push models and gates (docs/models.md).');
  addExport(model);
  addOptimize(model);
  addExportGate(model);
  addCheck(model);
  addPush(model);
}

interface ExportOptions {
  readonly output: string;
  readonly python?: string;
}

function addExport(model: Command): void {
  model
    .command('export')
    .description('Export a Stable Diffusion 1 or 2 pipeline of diffusers to ONNX, in float32.')
    .argument('<source>', 'hf:OWNER/NAME[@REVISION], or a folder that save_pretrained wrote')
    .requiredOption('-o, --output <dir>', 'folder to make')
    .option(...PYTHON)
    .action(async (source: string, options: ExportOptions) => {
      const place = source.startsWith('hf:') ? source : localFolder(source);
      const isDone = await runTo(options, (output) => ['export', place, '--output', output]);
      if (isDone) await showDigest(options.output, isModelFile);
    });
}

interface OptimizeOptions extends ExportOptions {
  readonly for: string;
  readonly keepFloat32?: readonly string[];
}

function addOptimize(model: Command): void {
  model
    .command('optimize')
    .description(
      "Fuse the graphs of an exported model with ONNX Runtime's own optimiser; another model to every digest.",
    )
    .argument('<dir>', 'folder that `model export` wrote')
    .requiredOption('-o, --output <dir>', 'folder to make')
    .addOption(
      new Option('--for <provider>', 'cuda (float16; runs on no CPU) or cpu (float32)')
        .choices(['cuda', 'cpu'])
        .makeOptionMandatory(),
    )
    .option(
      '--keep-float32 <what...>',
      'with --for cuda: a graph (vae_decoder), or operators of one (unet:MultiHeadAttention)',
    )
    .option(...PYTHON)
    .action(async (dir: string, options: OptimizeOptions) => {
      const source = localFolder(dir);
      const kept = options.keepFloat32 ? ['--keep-float32', ...options.keepFloat32] : [];
      const isDone = await runTo(options, (output) => [
        'optimize',
        source,
        '--output',
        output,
        '--for',
        options.for,
        ...kept,
      ]);
      if (isDone) await showDigest(options.output, isModelFile);
    });
}

interface GateOptions extends ExportOptions {
  readonly weights?: string;
  readonly classes?: readonly string[];
  readonly size: string;
  readonly activation: string;
}

function addExportGate(model: Command): void {
  model
    .command('export-gate')
    .description('Export a gate: a model of torchxrayvision, or a classifier of torchvision with your own weights.')
    .argument('<gate>', 'xrv:age, xrv:race, xrv:sex or torchvision:ARCHITECTURE')
    .requiredOption('-o, --output <dir>', 'folder to make')
    .option('--weights <file>', 'the weights; default for xrv: where torchxrayvision keeps them in the home folder')
    .option('--classes <names...>', 'names of the outputs in order, as the axis has them')
    .option('--size <pixels>', 'height and width of the input', '224')
    .addOption(
      new Option('--activation <name>', 'for torchvision: what turns outputs into probabilities')
        .choices(['softmax', 'sigmoid', 'identity'])
        .default('softmax'),
    )
    .option(...PYTHON)
    .action(async (gate: string, options: GateOptions) => {
      if (!/^\d{1,4}$/.test(options.size) || Number(options.size) < 8)
        throw new UsageError(`--size: ${JSON.stringify(options.size)} is not a number of pixels from 8 to 4096`);
      const isDone = await runTo(options, (output) => [
        'gate',
        gate,
        '--output',
        output,
        '--size',
        options.size,
        '--activation',
        options.activation,
        ...(options.weights ? ['--weights', resolve(options.weights)] : []),
        ...(options.classes ? ['--classes', ...options.classes] : []),
      ]);
      if (isDone) await showDigest(options.output, isGateFile);
    });
}

function addCheck(model: Command): void {
  addS3Options(
    model
      .command('check')
      .description(
        'Load a model, sample one trial batch, and say what it takes and whether it is sound. Exit 1 if not.',
      )
      .argument('[uri]', 'folder or s3://bucket/prefix; default: spec.model.uri of --file')
      .option('-f, --file <yaml>', 'a SyntheticDataset: its prompts, sampling, batch size and gates')
      .option('--batch-size <n>', 'images of the batch; default: workers.batchSize, or 1')
      .option('--steps <n>', 'denoising steps', '4')
      .option('--prompt <text>', 'without --file: the prompt', 'Chest X-ray .')
      .addOption(new Option('--provider <name>', 'where to run').choices(['auto', 'cuda', 'cpu']).default('auto'))
      .option('--source <dir>', 'the diffusers folder that it was exported from: compare latents and images')
      .option(...PYTHON)
      .option('--json', 'print JSON'),
  ).action(async (uri: string | undefined, options: CheckOptions) => {
    process.exitCode = await reportCheck(uri, options);
  });
}

function addPush(model: Command): void {
  addS3Options(
    model
      .command('push')
      .description(
        'Copy a model or gate to a bucket: what is missing there, never over anything else. Run it again to resume.',
      )
      .argument('<dir>', 'folder of a model or gate')
      .argument('<uri>', 's3://bucket/prefix, or a directory')
      .option('--json', 'print JSON'),
  ).action(async (dir: string, uri: string, options: S3Flags & { json?: boolean }) => {
    const store = openStore(resolveUri(uri, process.cwd()), s3FromFlags(options));
    const pushed = await pushFolder(localFolder(dir), store, (path) => process.stderr.write(`${path}\n`));
    const { files, kept, bytes, digest } = pushed;
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ uri: store.uri, ...pushed })}\n`
        : `${store.uri}: ${files} files written (${bytes} bytes), ${kept} there already\nuri: ${store.uri}\nsha256: ${digest}\n`,
    );
  });
}

/** Runs the exporter to a folder that is not there yet; what went wrong was printed. @returns whether it is there now */
async function runTo(options: ExportOptions, args: (output: string) => readonly string[]): Promise<boolean> {
  const output = resolve(options.output);
  await assertFree(output);
  const code = await runExporter(await exporterPython(options.python), args(output));
  // Python's own codes are a fault of the exporter.
  process.exitCode = code === 1 || code > 128 ? EXIT.tryAgain : code;
  return code === 0;
}

async function showDigest(output: string, includes: (path: string) => boolean): Promise<void> {
  const { dir, digest } = await fetchFolder(
    { uri: resolve(output), includes, field: '--output' },
    { baseDir: process.cwd(), cacheDir: '' },
  );
  process.stdout.write(`${dir}\nsha256: ${digest}\n`);
}

/** @throws UsageError for what is not on this machine */
function localFolder(uri: string): string {
  const path = resolveUri(uri, process.cwd());
  if (path.startsWith('s3:')) throw new UsageError(`${uri} is not a folder on this machine; copy it here first`);
  return path;
}
