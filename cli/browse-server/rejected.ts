import type { RejectedPage, RejectedView } from '../../browse/wire.ts';
import { sampleKey } from '../../contract/names.ts';
import { shrink } from '../../dataset/publish/thumbnails.ts';
import { limited, memoize } from '../../dataset/read/memory.ts';
import { type KeptImage, listRejected, readRejected, readRejectedImage } from '../../dataset/read/rejected.ts';
import { cellsWhere, type Where } from '../../dataset/read/select.ts';
import type { Source, Wanted } from '../../dataset/read/source.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { NotFoundError } from './answer.ts';
import { THUMBNAIL_SIDE } from './gallery.ts';
import { scoreViews } from './score-view.ts';

/** The rejected images that were kept, a few at a time. */

const AT_ONCE = 24;
/** Cells looked into for one answer, at most: each costs a listing. */
const MAX_CELLS = 256;
const READERS = 16;
const KEPT = 2000;
/** Rejected images of one cell that are searched for the attempts of one sample. */
const MAX_KEPT = 100;

export interface RejectedImages {
  /** Images of the selected cells that come after the one named `after`, or the first ones for ''. */
  page(where: Where, after: string): Promise<RejectedPage>;
  one(id: string): Promise<RejectedView>;
  /** Ids of the kept images of a sample, by attempt. */
  keptOf(cell: number, index: number): Promise<ReadonlyMap<number, string>>;
  thumbnail(id: string): Promise<Uint8Array>;
  image(id: string): Promise<{ image: Uint8Array; format: 'jpeg' | 'png' }>;
}

export function createRejectedImages(store: ObjectStore, source: () => Promise<Source>): RejectedImages {
  const reader = limited(READERS);
  const isThere = (value: unknown): boolean => value !== null;
  const read = memoize(KEPT, (id: string) => reader(() => readRejected(store, id)), isThere);
  const image = async (id: string) => {
    const found = await readRejectedImage(store, id);
    if (!found) throw absent(id);
    return found;
  };
  const thumbnail = memoize(KEPT, async (id: string) => (await shrink((await image(id)).image, THUMBNAIL_SIDE)).data);

  const keeps = async (): Promise<boolean> => (await source()).wanted.dataset.spec.quality.keepRejected > 0;

  return {
    image,
    thumbnail,
    async page(where, after) {
      const { wanted } = await source();
      if (!(await keeps())) return { rejected: [], next: null };
      const { ids, next } = await collect(store, cellsWhere(wanted, where), after);
      const found = await Promise.all(ids.map(read));
      return { rejected: found.filter((kept) => kept !== null).map((kept) => rejectedView(wanted, kept)), next };
    },
    async one(id) {
      const kept = await read(id);
      if (!kept) throw absent(id);
      return rejectedView((await source()).wanted, kept);
    },
    async keptOf(cell, index) {
      if (!(await keeps())) return new Map();
      const ids = (await listRejected(store, cell)).slice(0, MAX_KEPT);
      const found = await Promise.all(ids.map(read));
      const mine = found.filter((kept) => kept?.record.index === index);
      return new Map(mine.map((kept) => [kept!.record.attempt, kept!.id]));
    },
  };
}

const absent = (id: string): NotFoundError =>
  new NotFoundError(`there is no rejected image ${JSON.stringify(id.slice(0, 40))}`);

/** Ids after a given one, cell by cell; `next` is the id to continue from, null at the end. */
async function collect(
  store: ObjectStore,
  cells: readonly number[],
  after: string,
): Promise<{ ids: string[]; next: string | null }> {
  const [from, place] = after.split('/').map(Number);
  const open = after === '' ? cells : cells.filter((cell) => cell >= from!);
  const looked = open.slice(0, MAX_CELLS);
  const ids: string[] = [];
  for (let first = 0; first < looked.length && ids.length <= AT_ONCE; first += READERS) {
    const lists = looked.slice(first, first + READERS).map((cell) => listRejected(store, cell));
    ids.push(...(await Promise.all(lists)).flat().filter((id) => after === '' || isAfter(id, from!, place!)));
  }
  if (ids.length > AT_ONCE) return { ids: ids.slice(0, AT_ONCE), next: ids[AT_ONCE - 1]! };
  return { ids, next: looked.length < open.length ? `${looked.at(-1)}/999999` : null };
}

function isAfter(id: string, cell: number, place: number): boolean {
  const [ofId, placeOfId] = id.split('/').map(Number);
  return ofId! > cell || (ofId === cell && placeOfId! > place);
}

function rejectedView(wanted: Wanted, { id, record }: KeptImage): RejectedView {
  const { index, axes, exact, prompt, seed, attempt, gate } = record;
  const scores = scoreViews(wanted, record);
  return { id, key: sampleKey(index), axes, exact, prompt, seed, attempt, gate, scores };
}
