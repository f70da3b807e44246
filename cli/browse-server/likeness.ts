import type { MapPoint, MapView, NearTraining, NearView, SuspiciousView } from '../../browse/wire.ts';
import { sampleKey } from '../../contract/names.ts';
import type { SampleRecord } from '../../contract/schema/record.ts';
import { type Features, takeRows, unitRows } from '../../dataset/evidence/features.ts';
import { trainingOf } from '../../dataset/evidence/gather.ts';
import { type Nearest, nearest } from '../../dataset/evidence/nearest.ts';
import { planeOf } from '../../dataset/evidence/plane.ts';
import { createFeatureReader } from '../../dataset/read/features.ts';
import { cellOfSample, cellsWhere, selectSamples, type Where } from '../../dataset/read/select.ts';
import type { Source, Wanted } from '../../dataset/read/source.ts';
import type { Reference } from '../../dataset/reference.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { BadRequestError, NotFoundError } from './answer.ts';
import { createShared } from './shared.ts';

/** Likeness of images by their features: nearest neighbours, the most suspicious, a map. */

/** Images of a selection that are compared, at most. */
const SELECTED = 1000;
/** Images of a list of suspicious ones. */
const LISTED = 24;
/** Numbers that are multiplied before other requests have their turn: about a tenth of a second. */
const STEP = 1e8;
/** Numbers that are multiplied for one list: about half a minute. Fewer images are compared with very many training images. */
const MOST = 2e10;
const KEPT = 16;

export interface LikenessContext {
  readonly store: ObjectStore;
  readonly source: () => Promise<Source>;
  readonly recordOf: (key: string) => Promise<{ index: number; cell: number; record: SampleRecord }>;
  /** Real images, where any are given. */
  readonly reference: Reference | null;
}

export interface Likeness {
  /** @param gone aborted once no one waits for the answer */
  near(key: string, gone: AbortSignal): Promise<NearView>;
  map(where: Where, gone: AbortSignal): Promise<MapView>;
  suspicious(where: Where, gone: AbortSignal): Promise<SuspiciousView>;
}

/** Images of a selection with their features, of length 1. */
interface Pool {
  readonly keys: readonly string[];
  readonly axes: readonly Readonly<Record<string, string>>[];
  readonly indices: readonly number[];
  readonly unit: Features;
  readonly of: number | null;
}

export function createLikeness({ store, source, recordOf, reference }: LikenessContext): Likeness {
  const read = createFeatureReader(store, source);
  const training = reference && trainingOf(reference);
  const real = training && training.keys.length > 0 ? training : null;

  async function poolOf(selections: readonly (readonly number[])[]): Promise<Pool> {
    const { wanted } = await source();
    const picked = selections.map((cells) => selectSamples(wanted, cells, { start: 0, end: SELECTED }));
    const cellOf = new Map(picked.flatMap(({ samples }) => samples.map(({ index, cell }) => [index, cell] as const)));
    const { indices, features } = await read([...cellOf.keys()]);
    return {
      indices,
      keys: indices.map(sampleKey),
      axes: indices.map((index) => wanted.cells[cellOf.get(index)!]!.axes),
      unit: comparable(features, real?.unit ?? null),
      of: picked.some(({ total }) => total > SELECTED) ? Math.max(...picked.map(({ total }) => total)) : null,
    };
  }

  const mapOf = async (where: Where): Promise<MapView> => {
    const { keys, axes, unit, of } = await poolOf([cellsWhere((await source()).wanted, where)]);
    const { places, shares } = planeOf(unit);
    const points = keys.map((key, i): MapPoint => ({ key, axes: axes[i]!, x: places[2 * i]!, y: places[2 * i + 1]! }));
    return { images: keys.length, of, points, shares };
  };

  const suspiciousOf = async (where: Where, gone: AbortSignal): Promise<SuspiciousView> => {
    const { wanted } = await source();
    const pool = await poolOf([cellsWhere(wanted, where)]);
    const { keys, axes, unit, of } = pool;
    const among = unit.rows < 2 ? null : await nearestInSteps(unit, unit, { gone, isSame: true });
    const others = listed(among?.distances ?? []).map((i) => ({
      key: keys[i]!,
      axes: axes[i]!,
      other: { key: keys[among!.places[i]!]!, distance: among!.distances[i]! },
    }));
    return { images: keys.length, of, training: await nearTraining(pool, where, wanted, gone), others };
  };

  async function nearTraining(
    pool: Pool,
    where: Where,
    wanted: Wanted,
    gone: AbortSignal,
  ): Promise<SuspiciousView['training']> {
    const known = wanted.evidence?.suspicious ?? [];
    if (!real)
      return { basis: known.length > 0 ? 'evidence' : null, images: known.length, found: ofEvidence(wanted, where) };
    const limit = Math.max(1, Math.floor(MOST / (real.unit.values.length + 1)));
    const images = Math.min(pool.keys.length, limit);
    const queries = takeRows(
      pool.unit,
      Array.from({ length: images }, (_, i) => i),
    );
    const { distances, places } = await nearestInSteps(queries, real.unit, { gone });
    const found = listed(distances).map((i) => ({
      key: pool.keys[i]!,
      axes: pool.axes[i]!,
      image: real.keys[places[i]!]!,
      distance: distances[i]!,
    }));
    return { basis: 'reference', images, found };
  }

  async function nearOf(key: string, gone: AbortSignal): Promise<NearView> {
    const { wanted } = await source();
    const { index, cell, record } = await recordOf(key);
    const pool = await poolOf([[cell], [...wanted.cells.keys()]]);
    const known = stated(wanted, key, record);
    const row = pool.indices.indexOf(index);
    const own = row < 0 ? unitRows((await read([index])).features) : takeRows(pool.unit, [row]);
    const compared = { images: pool.keys.length, of: pool.of };
    if (own.rows === 0) return { ...compared, training: known, other: null };
    const among = nearest(own, pool.unit, { own: [row] });
    const isAlone = pool.keys.length - Number(row >= 0) === 0;
    const other = isAlone ? null : { key: pool.keys[among.places[0]!]!, distance: among.distances[0]! };
    const found = real && (await nearestInSteps(own, real.unit, { gone }));
    return {
      ...compared,
      training: found
        ? { image: real.keys[found.places[0]!]!, distance: found.distances[0]!, basis: 'reference' }
        : known,
      other,
    };
  }

  const shared = createShared(KEPT);
  const inTurn = <Q, T>(compute: (asked: Q, gone: AbortSignal) => Promise<T>) => {
    const share = shared<T>();
    return async (asked: Q, gone: AbortSignal): Promise<T> => {
      const { state, wanted, counts } = await source();
      assertFeatures(wanted);
      // A growing dataset has other images once more shards are committed.
      const { committed } = await counts();
      return share(JSON.stringify([state, committed, asked]), gone, (signal) => compute(asked, signal));
    };
  };
  return { near: inTurn(nearOf), map: inTurn(mapOf), suspicious: inTurn(suspiciousOf) };
}

function assertFeatures({ dataset }: Wanted): void {
  if (dataset.spec.quality.encoder === undefined)
    throw new NotFoundError('images of this dataset have no features: its resource has no spec.quality.encoder');
}

/** Features of length 1. @throws BadRequestError when those of the reference are of another encoder */
function comparable(features: Features, real: Features | null): Features {
  if (real && features.rows > 0 && real.dimensions !== features.dimensions)
    throw new BadRequestError(
      `the reference has ${real.dimensions} features for an image, the dataset ${features.dimensions}: it was made with another encoder`,
    );
  return unitRows(features);
}

/** Places of the smallest distances, in order. */
const listed = (distances: ArrayLike<number>): number[] =>
  Array.from(distances, (_, i) => i)
    .sort((a, b) => distances[a]! - distances[b]! || a - b)
    .slice(0, LISTED);

/** As `nearest`, with pauses in which other requests are answered. @param isSame whether both are the same rows @throws once `gone` is aborted */
async function nearestInSteps(
  queries: Features,
  base: Features,
  { gone, isSame = false }: { gone: AbortSignal; isSame?: boolean },
): Promise<Pick<Nearest, 'distances' | 'places'>> {
  const [distances, places] = [new Float64Array(queries.rows), new Uint32Array(queries.rows)];
  const step = Math.max(1, Math.floor(STEP / base.values.length));
  for (let start = 0; start < queries.rows; start += step) {
    gone.throwIfAborted();
    const rows = Array.from({ length: Math.min(step, queries.rows - start) }, (_, i) => start + i);
    const found = nearest(takeRows(queries, rows), base, isSame ? { own: rows } : {});
    distances.set(found.distances, start);
    places.set(found.places, start);
    await new Promise(setImmediate);
  }
  return { distances, places };
}

/** The suspicious images that the evidence lists, as far as they are of the selection. */
function ofEvidence(wanted: Wanted, where: Where): SuspiciousView['training']['found'] {
  const cells = new Set(cellsWhere(wanted, where));
  return (wanted.evidence?.suspicious ?? []).flatMap(({ key, image, distance }) => {
    const cell = /^\d{9,10}$/.test(key) ? cellOfSample(wanted, Number(key)) : null;
    return cell !== null && cells.has(cell) ? [{ key, axes: wanted.cells[cell]!.axes, image, distance }] : [];
  });
}

/** The nearest training image as far as the dataset says: by a Novelty gate, or by the evidence. */
function stated(wanted: Wanted, key: string, { scores, nearest: named }: SampleRecord): NearView['training'] {
  const gate = wanted.dataset.spec.quality.gates.find(({ against }) => against === 'Training')?.name ?? '';
  if (named && Object.hasOwn(named, gate) && Object.hasOwn(scores, gate))
    return { image: named[gate]!, distance: scores[gate]!, basis: 'gate' };
  const listed: NearTraining | undefined = wanted.evidence?.suspicious.find((one) => one.key === key);
  return listed ? { image: listed.image, distance: listed.distance, basis: 'evidence' } : null;
}
