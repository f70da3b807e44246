import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../contract/digest.ts';
import { Failure } from '../contract/failure.ts';
import type { Row } from '../contract/plan/columns.ts';
import { type ReferenceDescription, referenceSchema } from '../contract/schema/reference.ts';
import { readCsv } from '../platform/csv.ts';
import { areFinite } from '../platform/half.ts';
import { type HalfMatrix, readNpy } from '../platform/npy.ts';
import { parseStored } from './stored.ts';

/** A reference: feature vectors of real images, in a folder that `cohortfarm features` wrote. */

export interface Reference {
  readonly description: ReferenceDescription;
  /** One row for each image: first those that the generator was trained on, then those held out. */
  readonly features: HalfMatrix;
  /** The rows of rows.csv. */
  readonly rows: readonly Row[];
}

/** @throws Failure (DatasetDamaged) that names the file and what is wrong with it */
export async function readReference(dir: string): Promise<Reference> {
  const description = parseStored(await readBytes(dir, 'reference.json'), referenceSchema);
  if (typeof description === 'string') throw fault(dir, 'reference.json', description);
  const reference = description.value;
  const read = async (name: keyof ReferenceDescription['files']): Promise<Uint8Array> => {
    const bytes = await readBytes(dir, name);
    const found = sha256(bytes);
    const wanted = reference.files[name].sha256;
    if (found !== wanted) throw fault(dir, name, `has SHA-256 ${found}, reference.json says ${wanted}`);
    return bytes;
  };
  let features: HalfMatrix;
  try {
    features = readNpy(await read('features.npy'));
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw fault(dir, 'features.npy', `cannot be read: ${(error as Error).message}`);
  }
  const rows = readCsv(await read('rows.csv'), join(dir, 'rows.csv'));
  const { training, heldOut } = reference.images;
  if (features.rows !== training + heldOut || features.columns !== reference.dimensions)
    throw fault(
      dir,
      'features.npy',
      `holds ${features.rows} x ${features.columns} numbers, reference.json says ${training + heldOut} x ${reference.dimensions}`,
    );
  const splits = [...Array<string>(training).fill('training'), ...Array<string>(heldOut).fill('heldOut')];
  const wrong = rows.length === splits.length ? rows.findIndex(({ split }, i) => split !== splits[i]) : 0;
  if (wrong >= 0)
    throw fault(
      dir,
      'rows.csv',
      `must have a row for each of the ${training} training images and then of the ${heldOut} held-out ones; row ${wrong + 1} of ${rows.length} does not fit`,
    );
  if (!areFinite(features.bits)) throw fault(dir, 'features.npy', 'holds numbers that are not finite');
  const bad = rows.findIndex(
    ({ split, image, nearest }) => !isRow(split === 'heldOut' && training > 0, image, nearest),
  );
  if (bad >= 0)
    throw fault(
      dir,
      'rows.csv',
      `row ${bad + 1} must have the SHA-256 of its image and, of a held-out one, a distance between 0 and 2 as nearest`,
    );
  return { description: reference, features, rows };
}

function isRow(hasNearest: boolean, image = '', nearest = ''): boolean {
  if (!/^[0-9a-f]{64}$/.test(image)) return false;
  return !hasNearest || (nearest !== '' && Number(nearest) >= 0 && Number(nearest) <= 2);
}

async function readBytes(dir: string, name: string): Promise<Uint8Array> {
  return readFile(join(dir, name)).catch((cause: Error) => {
    throw fault(dir, name, 'cannot be read', cause);
  });
}

const fault = (dir: string, name: string, problem: string, cause?: unknown): Failure =>
  new Failure(
    'DatasetDamaged',
    `${join(dir, name)} ${problem}; make the reference again with \`cohortfarm features\``,
    cause === undefined ? {} : { cause },
  );

/**
 * The distance below which a share `quantile` of the held-out images lie from their nearest training image: linear between
 * neighbours in order, as numpy.quantile.
 * @throws Failure when the reference holds no held-out images
 */
export function heldOutQuantile({ description, rows }: Reference, quantile: number): number {
  const { training, heldOut } = description.images;
  const distances = rows.slice(training).map(({ nearest }) => Number(nearest));
  if (heldOut === 0 || training === 0)
    throw new Failure(
      'SpecInvalid',
      'quantile of a Novelty gate needs a reference with training and held-out images; give threshold, or make the reference from both',
    );
  distances.sort((a, b) => a - b);
  const at = quantile * (distances.length - 1);
  const [low, high] = [distances[Math.floor(at)]!, distances[Math.ceil(at)]!];
  const threshold = low + (high - low) * (at - Math.floor(at));
  if (threshold > 0) return threshold;
  throw new Failure(
    'SpecInvalid',
    `the ${quantile} quantile of a Novelty gate is 0, which refuses nothing: some held-out images are copies of training images; remove them from the reference, or give threshold`,
  );
}
