import { canonicalJson, sha256 } from '../contract/digest.ts';
import { CONTENT_TYPES, imageExtension, objects } from '../contract/names.ts';
import type { Plan } from '../contract/plan/plan.ts';
import type { RejectedRecord } from '../contract/schema/record.ts';
import { workAhead } from '../dataset/ahead.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import type { Attempt, Refusal } from './attempt-queue.ts';

/**
 * Keeping rejected images to look at: `quality.keepRejected` places per cell, first come, first kept. A place is taken by
 * its JSON, conditionally, so that all workers together keep no more than asked; the image follows. What is there already
 * is listed once for each cell and worker. No shard depends on what is kept.
 */

export interface RejectedImage {
  readonly attempt: Attempt;
  readonly refusal: Refusal;
  /** Encodes the image; called only if it is kept. */
  encode(): Promise<Uint8Array>;
}

export interface Keeper {
  /** False once the places of a cell are known to be taken; calls no store. */
  wants(cell: number): boolean;
  /** Keeps an image, if there is a place for it. Calls may overlap; those for one cell are done one after another. */
  keep(image: RejectedImage): Promise<void>;
}

/** An entry that is there. */
interface Entry {
  readonly key: string;
  hasImage: boolean;
}

/** The known places of a cell. */
interface Places {
  /** By the digest of their JSON. */
  readonly entries: Map<string, Entry>;
  /** Places that are free, as far as is known, in order. */
  readonly free: number[];
}

/** Entries read at once. */
const READERS = 16;

/** One for all shards of a worker. */
export function createKeeper(plan: Plan, store: ObjectStore): Keeper {
  const limit = plan.spec.quality.keepRejected;
  const extension = imageExtension(plan.spec.output.image.format);
  const cells = new Map<number, Places>();
  /** By cell: the last call that was made for it. */
  const last = new Map<number, Promise<void>>();

  async function readPlaces(cell: number): Promise<Places> {
    const there = new Set<string>();
    for await (const { key } of store.list(objects.rejectedOf(cell))) there.add(key);
    const places = Array.from({ length: limit }, (_, place) => place);
    const free = places.filter((place) => !there.has(`${objects.rejected(cell, place)}.json`));
    const taken = places.filter((place) => !free.includes(place)).map((place) => objects.rejected(cell, place));
    const found = taken.map((key): Entry => ({ key, hasImage: there.has(`${key}.${extension}`) }));
    // Where no place is free, only an entry without its image can matter: it may be ours, from before we were killed.
    const wanted = free.length > 0 ? found : found.filter(({ hasImage }) => !hasImage);
    const entries = new Map<string, Entry>();
    const read = workAhead(wanted, async (entry) => ({ entry, digest: await digestOfStored(entry) }), {
      items: READERS,
    });
    for await (const { entry, digest } of read) entries.set(digest, entry);
    return { entries, free };
  }

  const digestOfStored = async ({ key }: Entry): Promise<string> => sha256((await store.get(`${key}.json`)) ?? '');

  /** The entry of an image: there already, or made in the first free place; null when there is none. */
  async function enter({ entries, free }: Places, cell: number, text: string): Promise<Entry | null> {
    const digest = sha256(text);
    for (let entry = entries.get(digest); ; entry = entries.get(digest)) {
      if (entry) return entry;
      const [place] = free;
      if (place === undefined) return null;
      const made: Entry = { key: objects.rejected(cell, place), hasImage: false };
      const body = Buffer.from(text);
      const written = await store.create(`${made.key}.json`, body, { contentType: CONTENT_TYPES.json });
      // Another worker took the place, or our own answer was lost.
      entries.set(written === 'created' ? digest : await digestOfStored(made), made);
      free.shift(); // Only now: a place that could not be written stays free.
    }
  }

  function wants(cell: number): boolean {
    const known = cells.get(cell);
    return limit > 0 && (!known || known.free.length > 0 || [...known.entries.values()].some((one) => !one.hasImage));
  }

  async function keepNext(image: RejectedImage): Promise<void> {
    const { cell } = image.attempt.sample;
    if (!wants(cell)) return;
    const places = cells.get(cell) ?? (await readPlaces(cell));
    cells.set(cell, places);
    const entry = await enter(places, cell, `${canonicalJson(describe(plan, image))}\n`);
    if (!entry || entry.hasImage) return;
    await store.create(`${entry.key}.${extension}`, await image.encode(), { contentType: CONTENT_TYPES[extension] });
    entry.hasImage = true;
  }

  return {
    wants,
    keep(image) {
      const { cell } = image.attempt.sample;
      const kept = (last.get(cell) ?? Promise.resolve()).then(() => keepNext(image));
      last.set(
        cell,
        kept.catch(() => {}),
      );
      return kept;
    },
  };
}

function describe(plan: Plan, { attempt, refusal }: RejectedImage): RejectedRecord {
  const { sample, attempt: number, seed } = attempt;
  return {
    apiVersion: 'cohortfarm.dev/rejected/v1',
    synthetic: true,
    index: sample.index,
    cell: plan.allocation.grid.cells[sample.cell]!.id,
    axes: { ...sample.axes },
    exact: { ...sample.exact },
    prompt: sample.prompt,
    attempt: number,
    seed,
    ...refusal,
    planDigest: plan.digest,
  };
}
