import { type Command, Option } from 'commander';
import { isEncoderFile } from '../../contract/folder.ts';
import { buildGrid } from '../../contract/plan/grid.ts';
import type { ReferenceDescription } from '../../contract/schema/reference.ts';
import { installedProgram } from '../../platform/files.ts';
import { fetchFolder } from '../../platform/resource.ts';
import { readColumns } from '../features/columns.ts';
import type { EncodeRequest } from '../features/encode.ts';
import type { Split } from '../features/images.ts';
import { readSource } from '../features/source.ts';
import { cacheDir, loadDataset } from '../load.ts';
import { addS3Options, openDataset, type S3Flags, s3FromFlags } from '../open.ts';
import { askProgram } from '../subprocess.ts';

/** `cohortfarm features`: feature vectors of real images, for Novelty gates and the evidence about a cohort. */

interface FeaturesOptions extends S3Flags {
  readonly output: string;
  readonly encoder: string;
  readonly file?: string;
  readonly columns?: string;
  readonly split?: Split;
  readonly salt: string;
  readonly provider: 'cpu' | 'cuda';
}

export function addFeatures(program: Command): void {
  addS3Options(
    program
      .command('features')
      .description('Encode real images as a reference that cohorts are compared with (docs/evidence.md).')
      .argument('<data>', 'a CSV that lists images, or a folder with metadata.csv or with training/ and heldOut/')
      .requiredOption('-o, --output <uri>', 'where to: a directory or s3://bucket/prefix')
      .requiredOption('--encoder <uri>', 'folder of the encoder, such as embedded:phantom/encoder')
      .option('-f, --file <yaml>', 'a SyntheticDataset, for its axes; default: the axes of --columns, as written there')
      .option('--columns <yaml>', 'columns of the CSV by what they hold: image, patient, split, and axes')
      .addOption(new Option('--split <part>', 'of all images, where no column says').choices(['training', 'heldOut']))
      .option('--salt <text>', 'hashed with the patients, so that they cannot be found by trying numbers', '')
      .addOption(new Option('--provider <name>', 'where to run').choices(['cpu', 'cuda']).default('cpu')),
  ).action(runFeatures);
}

async function runFeatures(data: string, options: FeaturesOptions): Promise<void> {
  const s3 = s3FromFlags(options);
  const grid = options.file === undefined ? null : buildGrid((await loadDataset(options.file)).dataset.spec.quota);
  const columns = await readColumns(options.columns);
  const { store, images } = await readSource(
    data,
    { columns, axes: grid?.axes ?? null, split: options.split ?? null },
    s3,
  );
  const wanted = { uri: options.encoder, includes: isEncoderFile, field: '--encoder' };
  const folder = await fetchFolder(wanted, { baseDir: process.cwd(), cacheDir: cacheDir(), s3 });
  const axes = Object.keys(images[0]!.groups);
  const request: EncodeRequest = {
    images,
    axes,
    salt: options.salt,
    encoder: folder,
    provider: options.provider,
    source: store.uri,
    target: openDataset(options.output, options).uri,
    s3,
  };
  const { dimensions, images: counts } = await askProgram<ReferenceDescription>(
    installedProgram('cli/features/encode-program.ts'),
    request,
    'encoding',
    'use a machine with more, or fewer images',
  );
  process.stdout.write(
    `Encoded: ${counts.training} training and ${counts.heldOut} held-out images, ${dimensions} numbers each; ` +
      `groups: ${axes.join(', ') || 'none'}; ${request.target}\n`,
  );
}
