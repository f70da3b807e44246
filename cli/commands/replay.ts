import type { Command } from 'commander';
import { Failure } from '../../contract/failure.ts';
import { EXIT } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { readManifest } from '../../dataset/claim.ts';
import { s3Options } from '../../platform/resource.ts';
import { engineStart, imageEncoder } from '../../worker/context.ts';
import { startEngine } from '../../worker/engine/engine.ts';
import { prepareModel } from '../../worker/prepare.ts';
import { type Comparison, type Published, readPublished, replaySample } from '../../worker/replay.ts';
import { cacheDir } from '../load.ts';
import { addS3Options, openDataset, type S3Flags, s3FromFlags, writeLocal } from '../open.ts';
import { plain } from '../status/text.ts';

/** `cohortfarm replay`: regenerates one sample and compares it with the published one. */

interface ReplayOptions extends S3Flags {
  readonly model?: string;
  readonly save?: string;
  readonly json?: boolean;
}

/** On other hardware the last bits of the arithmetic differ; more than this is another image. */
const TOLERANCE = 2;

export function addReplay(program: Command): void {
  addS3Options(
    program
      .command('replay')
      .description(
        'Regenerate one sample from the prompt and seed of its record and compare it with the published image.',
      )
      .argument('<uri>', 'directory or s3://bucket/prefix of the dataset')
      .argument('<key>', 'sample, such as 000000017')
      .option('--model <uri>', "where the model lies now; default: the dataset's spec.model.uri")
      .option('--save <file>', 'write the regenerated image')
      .option('--json', 'print JSON'),
  ).action(async (uri: string, key: string, options: ReplayOptions) => {
    process.exitCode = await replay(uri, key, options);
  });
}

async function replay(uri: string, key: string, options: ReplayOptions): Promise<number> {
  const store = openDataset(uri, options);
  const manifest = await readManifest(store);
  if (!manifest) throw new Failure('DatasetDamaged', `${store.uri} holds no complete dataset: dataset.json is missing`);
  const published = await readPublished(store, manifest, key);
  const comparison = await compare(manifest, published, options);
  if (options.save) await writeLocal('--save', options.save, comparison.regenerated);
  const { record, shard } = published;
  if (options.json) {
    const { identical, maxDifference } = comparison;
    process.stdout.write(
      `${JSON.stringify({ key, shard, prompt: record.prompt, seed: record.seed, identical, maxDifference })}\n`,
    );
  } else
    process.stdout.write(
      `${key}: "${plain(record.prompt)}", seed ${record.seed}, attempt ${record.attempt}\n${describe(comparison)}\n`,
    );
  return comparison.maxDifference <= TOLERANCE ? EXIT.done : EXIT.checkFailed;
}

async function compare(manifest: Manifest, published: Published, options: ReplayOptions): Promise<Comparison> {
  const { dataset } = manifest;
  const resources = {
    baseDir: process.cwd(),
    cacheDir: cacheDir(),
    s3: { ...s3Options(dataset), ...s3FromFlags(options) },
  };
  const modelDir = await prepareModel(options.model ?? dataset.spec.model.uri, manifest.model.digest, resources);
  const plan = {
    sampling: { ...dataset.spec.model.sampling, ...pick(manifest.model) },
    model: { digest: manifest.model.digest },
    spec: { ...dataset.spec, quality: { ...dataset.spec.quality, gates: [] } },
  };
  const start = engineStart({ plan, modelDir, gateDirs: [] }, { provider: 'auto', threads: null });
  const engine = startEngine({ start });
  try {
    await engine.ready;
    return await replaySample({ sample: (images) => engine.sample(images), encode: imageEncoder(plan) }, published);
  } finally {
    engine.close();
  }
}

const pick = ({ scheduler, height, width }: Manifest['model']) => ({ scheduler, height, width });

function describe({ identical, maxDifference }: Comparison): string {
  if (identical) return 'identical to the published image, byte for byte';
  return maxDifference <= TOLERANCE
    ? `equal to the published image within ${maxDifference} of 255 levels (other hardware)`
    : `DIFFERS from the published image by up to ${maxDifference} of 255 levels`;
}
