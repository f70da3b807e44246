import { sha256 } from '../contract/digest.ts';
import { Failure } from '../contract/failure.ts';
import { CONTENT_TYPES } from '../contract/names.ts';
import type { ReferenceDescription } from '../contract/schema/reference.ts';
import { csvLine } from '../platform/csv.ts';
import { npyHeader } from '../platform/npy.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { uint16Bytes } from '../platform/uint16.ts';
import { featuresOfHalves, unitRows } from './evidence/features.ts';
import { nearest } from './evidence/nearest.ts';

/** Writing a reference: the features of real images that cohorts are compared with. */

/** A real image and its feature vector in float16, as bit patterns. */
export interface ReferenceImage {
  readonly split: 'training' | 'heldOut';
  /** SHA-256 of the file. */
  readonly image: string;
  /** A hash. */
  readonly patient: string;
  /** Values by axis; the same axes for all images. */
  readonly groups: Readonly<Record<string, string>>;
  readonly vector: Uint16Array;
}

export interface ReferenceContents {
  readonly encoder: ReferenceDescription['encoder'];
  readonly axes: readonly string[];
  readonly images: readonly ReferenceImage[];
}

const DESCRIPTION = 'reference.json';

/**
 * Writes the files of a reference and then its description, whose presence says that it is complete. The same contents give
 * the same bytes, so a writer that was stopped is run again.
 * @throws Failure when a reference with other contents is there
 */
export async function writeReference(store: ObjectStore, contents: ReferenceContents): Promise<ReferenceDescription> {
  const { encoder, axes, images } = contents;
  const [training, heldOut] = (['training', 'heldOut'] as const).map((part) =>
    images.filter(({ split }) => split === part),
  ) as [ReferenceImage[], ReferenceImage[]];
  const ordered = [...training, ...heldOut];
  const dimensions = ordered[0]!.vector.length;
  const files = {
    'features.npy': [npyHeader(ordered.length, dimensions), ...ordered.map(({ vector }) => uint16Bytes(vector))],
    'rows.csv': [Buffer.from(rowsCsv(axes, ordered, nearestTraining(training, heldOut)))],
  };
  const entry = (chunks: readonly Uint8Array[]) => ({
    bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    sha256: sha256(...chunks),
  });
  const description: ReferenceDescription = {
    apiVersion: 'cohortfarm.dev/reference/v1',
    encoder,
    dimensions,
    images: { training: training.length, heldOut: heldOut.length },
    files: { 'features.npy': entry(files['features.npy']), 'rows.csv': entry(files['rows.csv']) },
  };
  const body = Buffer.from(`${JSON.stringify(description, null, 2)}\n`);
  const there = await store.get(DESCRIPTION);
  if (there && !body.equals(there))
    throw new Failure('SpecInvalid', `${store.uri} holds another reference; name another place, or remove that one`);
  await store.replace('features.npy', files['features.npy'], { contentType: CONTENT_TYPES.npy });
  await store.replace('rows.csv', files['rows.csv'], { contentType: 'text/csv' });
  await store.replace(DESCRIPTION, body, { contentType: CONTENT_TYPES.json });
  return description;
}

function rowsCsv(axes: readonly string[], images: readonly ReferenceImage[], distances: ArrayLike<number>): string {
  const heldOutFrom = images.length - distances.length;
  const rows = images.map(({ split, image, patient, groups }, i) => {
    const distance = i < heldOutFrom ? '' : String(distances[i - heldOutFrom]!);
    return csvLine([split, image, patient, distance, ...axes.map((axis) => groups[axis] ?? '')]);
  });
  return [csvLine(['split', 'image', 'patient', 'nearest', ...axes]), ...rows].join('');
}

/** The cosine distance of each held-out image to the nearest training image; NaN where there is none. */
function nearestTraining(training: readonly ReferenceImage[], heldOut: readonly ReferenceImage[]): ArrayLike<number> {
  if (training.length === 0 || heldOut.length === 0) return heldOut.map(() => Number.NaN);
  const unitsOf = (images: readonly ReferenceImage[]) => unitRows(featuresOfHalves(images.map(({ vector }) => vector)));
  return nearest(unitsOf(heldOut), unitsOf(training)).distances;
}
