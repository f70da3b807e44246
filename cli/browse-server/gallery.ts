import {
  PAGE_SIZE,
  type RefusedAttempt,
  type SampleDetail,
  type SamplesView,
  type SampleView,
} from '../../browse/wire.ts';
import { describeError } from '../../contract/failure.ts';
import { sampleKey } from '../../contract/names.ts';
import type { SampleRecord } from '../../contract/schema/record.ts';
import { shrink } from '../../dataset/publish/thumbnails.ts';
import { limited, memoize } from '../../dataset/read/memory.ts';
import { readSample, type StoredSample } from '../../dataset/read/sample.ts';
import { cellOfSample, cellsWhere, selectSamples, type Where } from '../../dataset/read/select.ts';
import type { Located, Source, Wanted } from '../../dataset/read/source.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { NotFoundError } from './answer.ts';
import { scoreViews } from './score-view.ts';

/** The accepted images: pages of them, one in full, and their bytes. */

/** Longer side of a thumbnail in pixels: sharp on a display with two pixels to the point. */
export const THUMBNAIL_SIDE = 192;
/** About 10 KB each. */
const KEPT_THUMBNAILS = 2000;
const FETCHES = 32;

/** A sample as it is kept in memory: all but its image. */
type Loaded =
  | { readonly state: 'exhausted' | 'pending' }
  | {
      readonly state: 'accepted';
      readonly located: Located & { state: 'stored' };
      readonly record: SampleRecord;
      readonly format: 'jpeg' | 'png';
      readonly bytes: number;
      readonly thumbnail: Promise<Uint8Array>;
    };

export interface Gallery {
  /** Reads one sample, so that the first page is ready; failures are reported when it is requested. */
  warm(): void;
  page(where: Where, page: number): Promise<SamplesView>;
  detail(key: string): Promise<SampleDetail>;
  thumbnail(key: string): Promise<Uint8Array>;
  image(key: string): Promise<Pick<StoredSample, 'image' | 'format'>>;
  /** The place and record of an accepted sample. @throws NotFoundError for any other */
  recordOf(key: string): Promise<{ readonly index: number; readonly cell: number; readonly record: SampleRecord }>;
}

export interface GalleryContext {
  readonly store: ObjectStore;
  readonly source: () => Promise<Source>;
  /** Command that makes a published sample again. */
  readonly replayCommand: (key: string) => string;
  /** Ids of kept rejected images of a sample, by attempt. */
  readonly keptOf: (cell: number, index: number) => Promise<ReadonlyMap<number, string>>;
}

export function createGallery({ store, source, replayCommand, keptOf }: GalleryContext): Gallery {
  const fetcher = limited(FETCHES);
  const load = memoize(
    KEPT_THUMBNAILS,
    async (index: number): Promise<Loaded> => {
      const located = await (await source()).locate(index);
      if (located.state !== 'stored') return { state: located.state };
      const { image, format, record } = await fetcher(() => readSample(store, located.object, located.place, index));
      const thumbnail = shrink(image, THUMBNAIL_SIDE).then(({ data }) => data);
      thumbnail.catch(() => {}); // Awaited by the view that shows it, if any.
      return { state: 'accepted', located, record, format, bytes: image.length, thumbnail };
    },
    ({ state }) => state !== 'pending',
  );

  async function find(key: string): Promise<{ wanted: Wanted; index: number; cell: number; state: Source['state'] }> {
    const { wanted, state } = await source();
    const index = /^\d{9,10}$/.test(key) ? Number(key) : Number.NaN;
    const cell = cellOfSample(wanted, index);
    if (cell === null) throw new NotFoundError(`there is no sample ${JSON.stringify(key.slice(0, 40))}`);
    return { wanted, index, cell, state };
  }

  async function accepted(key: string) {
    const { index, cell } = await find(key);
    const loaded = await load(index);
    if (loaded.state !== 'accepted') throw new NotFoundError(`sample ${key} has no image: it is ${loaded.state}`);
    return { index, cell, ...loaded };
  }

  const view = async (wanted: Wanted, { index, cell }: { index: number; cell: number }): Promise<SampleView> => {
    const [key, { axes }] = [sampleKey(index), wanted.cells[cell]!];
    try {
      const loaded = await load(index);
      if (loaded.state !== 'accepted') return { key, axes, state: loaded.state };
      const { prompt, attempt } = loaded.record;
      return { key, axes, state: 'accepted', prompt, attempt };
    } catch (error) {
      return { key, axes, state: 'unreadable', problem: describeError(error).split('\n')[0]! };
    }
  };

  return {
    warm: () => void load(0).catch(() => {}),
    async page(where, page) {
      const { wanted } = await source();
      const range = { start: page * PAGE_SIZE, end: (page + 1) * PAGE_SIZE };
      const { total, samples } = selectSamples(wanted, cellsWhere(wanted, where), range);
      return { total, page, samples: await Promise.all(samples.map((sample) => view(wanted, sample))) };
    },
    async detail(key) {
      const { wanted, index, cell, state } = await find(key);
      const short = await view(wanted, { index, cell });
      if (short.state !== 'accepted') return { ...short, exact: {}, attempts: [], facts: [] };
      const loaded = await accepted(key);
      const kept = await keptOf(cell, index);
      return {
        ...short,
        ...detailOf(wanted, loaded.record, kept),
        facts: factsOf(wanted, loaded),
        ...(state === 'published' && { replay: replayCommand(key) }),
      };
    },
    recordOf: accepted,
    thumbnail: async (key) => (await accepted(key)).thumbnail,
    async image(key) {
      const { index, located } = await accepted(key);
      return readSample(store, located.object, located.place, index);
    },
  };
}

function detailOf(
  wanted: Wanted,
  record: SampleRecord,
  kept: ReadonlyMap<number, string>,
): Pick<SampleDetail, 'exact' | 'seed' | 'scores' | 'attempts' | 'sourceId'> {
  const { exact, seed, scores, sourceId } = record;
  const attempts = record.rejected.map(
    (refused): RefusedAttempt => ({
      attempt: refused.attempt,
      seed: refused.seed,
      gate: refused.gate,
      scores: scoreViews(wanted, { scores: refused.scores, exact }),
      rejected: kept.get(refused.attempt) ?? null,
    }),
  );
  return {
    exact,
    seed,
    scores: scoreViews(wanted, { scores, exact }),
    attempts,
    ...(sourceId !== undefined && { sourceId }),
  };
}

function factsOf(
  { model }: Wanted,
  { located, record, format, bytes }: Loaded & { state: 'accepted' },
): (readonly [string, string])[] {
  const { image, json } = located.place;
  return [
    ['Object', located.object],
    ['Bytes', `${image.offset} to ${json.offset + json.size}, the image ${bytes} of them`],
    ['Image', `${model.width} × ${model.height} pixels, ${format === 'jpeg' ? 'JPEG' : 'PNG'}`],
    ['Model digest', record.modelDigest],
    ['Plan', record.planDigest],
  ];
}
