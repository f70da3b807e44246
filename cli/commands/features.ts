import { type Command, Option } from 'commander';
import { sha256 } from '../../contract/digest.ts';
import { UsageError } from '../../contract/failure.ts';
import { isEncoderFile } from '../../contract/folder.ts';
import { buildGrid } from '../../contract/plan/grid.ts';
import { workAhead } from '../../dataset/ahead.ts';
import { type ReferenceImage, writeReference } from '../../dataset/write-reference.ts';
import { decodeImage } from '../../platform/image/image.ts';
import { fetchFolder } from '../../platform/resource.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { type LoadedEncoder, loadEncoder } from '../../worker/encoder/encoder.ts';
import { readColumns } from '../features/columns.ts';
import type { RealImage, Split } from '../features/images.ts';
import { readSource } from '../features/source.ts';
import { cacheDir, loadDataset } from '../load.ts';
import { addS3Options, openDataset, type S3Flags, s3FromFlags } from '../open.ts';

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
      .option('--salt <text>', 'hashed with the patients, so that nobody finds them by trying numbers', '')
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
  const encoder = await loadEncoder(folder.dir, { provider: options.provider });
  const encoded = await encodeImages(store, images, encoder, options.salt);
  const axes = Object.keys(images[0]!.groups);
  const target = openDataset(options.output, options);
  const described = { encoder: { name: encoder.name, sha256: folder.digest }, axes, images: encoded };
  const { dimensions, images: counts } = await writeReference(target, described);
  process.stdout.write(
    `Encoded: ${counts.training} training and ${counts.heldOut} held-out images, ${dimensions} numbers each; ` +
      `groups: ${axes.join(', ') || 'none'}; ${target.uri}\n`,
  );
}

const BATCH = 32;
const AHEAD = { items: 2 * BATCH };

/** Reads and encodes images in order. @throws UsageError that names the file that is missing or is not an image */
async function encodeImages(
  store: ObjectStore,
  images: readonly RealImage[],
  encoder: LoadedEncoder,
  salt: string,
): Promise<ReferenceImage[]> {
  const done: ReferenceImage[] = [];
  let batch: { image: RealImage; bytes: Uint8Array }[] = [];
  const encode = async (): Promise<void> => {
    const raw = await Promise.all(batch.map(({ image, bytes }) => decoded(bytes, `${store.uri}/${image.path}`)));
    const vectors = await encoder.encode(raw);
    for (const [i, { image, bytes }] of batch.entries())
      done.push({
        split: image.split,
        image: sha256(bytes),
        patient: sha256(`${salt}\n${image.patient}`),
        groups: image.groups,
        vector: vectors[i]!,
      });
    batch = [];
  };
  const read = async (image: RealImage) => ({ image, bytes: await bytesOf(store, image.path) });
  for await (const one of workAhead(images, read, AHEAD)) {
    batch.push(one);
    if (batch.length === BATCH) await encode();
  }
  await encode();
  return done;
}

async function bytesOf(store: ObjectStore, path: string): Promise<Uint8Array> {
  const bytes = await store.get(path);
  if (bytes) return bytes;
  throw new UsageError(`${store.uri}/${path} does not exist; correct the path in the CSV, or remove the row`);
}

const decoded = (bytes: Uint8Array, name: string) =>
  decodeImage(bytes).catch((cause: Error) => {
    throw new UsageError(`${name} cannot be read as an image (${cause.message.split('\n')[0]}); repair or remove it`, {
      cause,
    });
  });
