import { type Command, Option } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { EXIT } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { requireManifest } from '../../dataset/claim.ts';
import { s3Options } from '../../platform/resource.ts';
import { engineStart, imageEncoder } from '../../worker/context.ts';
import { startEngine } from '../../worker/engine/engine.ts';
import type { ImageRequest } from '../../worker/engine/messages.ts';
import { hardwareOf, type Setting, settingFor } from '../../worker/hardware.ts';
import { prepareModel } from '../../worker/prepare.ts';
import { type Comparison, type Published, readPublished, replaySample } from '../../worker/replay.ts';
import { cacheDir } from '../load.ts';
import { addDatasetOptions, type DatasetFlags, locate, openDataset, s3FromFlags, writeLocal } from '../open.ts';
import { plain } from '../status/text.ts';

/** `cohortfarm replay`: regenerates one sample and compares it with the published one. */

interface ReplayOptions extends DatasetFlags {
  readonly model?: string;
  readonly provider?: string;
  readonly save?: string;
  readonly json?: boolean;
}

/** Grey levels. On other hardware the last bits of the arithmetic differ; more than this is another image. */
const TOLERANCE = 2;
const PROVIDERS = ['auto', 'cpu', 'cuda'] as const;

export function addReplay(program: Command): void {
  addDatasetOptions(
    program
      .command('replay')
      .description(
        'Regenerate one sample from the prompt and seed of its record and compare it with the published image.',
      )
      .argument('[uri]', 'directory or s3://bucket/prefix of the dataset')
      .argument('[key]', 'sample, such as 000000017')
      .option('--model <uri>', "where the model lies now; default: the dataset's spec.model.uri")
      .addOption(
        new Option(
          '--provider <name>',
          "what to sample on; default: the dataset's own, where this machine has it",
        ).choices(PROVIDERS),
      )
      .option('--save <file>', 'write the regenerated image')
      .option('--json', 'print JSON'),
  ).action(async (first: string | undefined, second: string | undefined, flags: ReplayOptions) => {
    // With --dataset the sample is the only argument.
    const [given, key] = flags.dataset !== undefined && second === undefined ? [undefined, first] : [first, second];
    if (key === undefined)
      throw new UsageError('no sample is named; give its key after the dataset, such as 000000017');
    const { uri, flags: options } = await locate(given, flags);
    process.exitCode = await replay(uri, key, options);
  });
}

async function replay(uri: string, key: string, options: ReplayOptions): Promise<number> {
  const store = openDataset(uri, options);
  const manifest = await requireManifest(store);
  const published = await readPublished(store, manifest, key);
  const { comparison, hardware } = await compare(manifest, published, options);
  if (options.save) await writeLocal('--save', options.save, comparison.regenerated);
  const { record, shard } = published;
  if (options.json) {
    const { identical, maxDifference } = comparison;
    process.stdout.write(
      `${JSON.stringify({
        key,
        shard,
        prompt: record.prompt,
        seed: record.seed,
        identical,
        maxDifference,
        tolerance: TOLERANCE,
        hardware,
        publishedOn: published.hardware,
      })}\n`,
    );
  } else
    process.stdout.write(
      `${key}: "${plain(record.prompt)}", seed ${record.seed}, attempt ${record.attempt}\n${describe(comparison, hardware, plain(published.hardware))}\n`,
    );
  return comparison.maxDifference <= TOLERANCE ? EXIT.done : EXIT.checkFailed;
}

async function compare(
  manifest: Manifest,
  published: Published,
  options: ReplayOptions,
): Promise<{ comparison: Comparison; hardware: string }> {
  const { dataset } = manifest;
  const resources = {
    baseDir: process.cwd(),
    cacheDir: cacheDir(),
    s3: { ...s3Options(dataset), ...s3FromFlags(options) },
  };
  const modelDir = await prepareModel(options.model ?? dataset.spec.model.uri, manifest.model.digest, resources);
  const own = settingFor(published.hardware);
  const batchSize = own.batchSize ?? dataset.spec.workers.batchSize;
  const provider = (options.provider as Setting['provider'] | undefined) ?? own.provider;
  const plan = {
    sampling: { ...dataset.spec.model.sampling, ...pick(manifest.model) },
    model: { digest: manifest.model.digest },
    gates: [],
    spec: {
      ...dataset.spec,
      workers: { ...dataset.spec.workers, batchSize },
    },
  };
  const start = engineStart({ plan, modelDir, gateDirs: [], encoderDir: null }, { provider, threads: null });
  const engine = startEngine({ start });
  try {
    await engine.ready;
    const replayer = { sample: (images: readonly ImageRequest[]) => engine.sample(images), encode: imageEncoder(plan) };
    const comparison = await replaySample(replayer, published);
    return { comparison, hardware: hardwareOf(engine.provider, batchSize) };
  } finally {
    engine.close();
  }
}

const pick = ({ scheduler, height, width }: Manifest['model']) => ({ scheduler, height, width });

function describe({ identical, maxDifference }: Comparison, hardware: string, publishedOn: string): string {
  if (identical) return 'identical to the published image, byte for byte';
  const rule =
    `regenerated on ${hardware}, published on ${publishedOn}; ` +
    `up to ${TOLERANCE} of 255 levels is the tolerance between kinds of hardware`;
  return maxDifference <= TOLERANCE
    ? `equal to the published image within ${maxDifference} of 255 levels (${rule})`
    : `DIFFERS from the published image by up to ${maxDifference} of 255 levels (${rule})`;
}
