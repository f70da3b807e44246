import { canonicalJson } from '../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../contract/names.ts';
import type { Plan } from '../contract/plan/plan.ts';
import type { RejectedRecord } from '../contract/schema/record.ts';
import { workAhead } from '../dataset/ahead.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import type { Attempt, Rejection } from './attempt-queue.ts';

/**
 * Keeping rejected images to look at: `quality.keepRejected` places per cell, first come, first kept. A place is taken by
 * its JSON, conditionally, so that all workers together keep no more than asked; the image follows. What is there already
 * is listed once for each cell.
 */

export interface RejectedImage {
  readonly attempt: Attempt;
  readonly refusal: Pick<Rejection, 'gate' | 'scores'>;
  /** Encodes the image; called only if it is kept. */
  encode(): Promise<Uint8Array>;
}

export interface Keeper {
  /** False once the places of a cell are known to be taken; calls no store. */
  wants(cell: number): boolean;
  /** Keeps an image, if there is a place for it. Calls for one cell must not overlap. */
  keep(image: RejectedImage): Promise<void>;
}

/** An entry that is there, by the text of its JSON. */
interface Entry {
  readonly key: string;
  hasImage: boolean;
}

/** The known places of a cell. */
interface Places {
  readonly entries: Map<string, Entry>;
  /** Places that are free, as far as is known, in order. */
  readonly free: number[];
}

/** Entries read at once. */
const READERS = 16;

export function createKeeper(plan: Plan, store: ObjectStore): Keeper {
  const limit = plan.spec.quality.keepRejected;
  const extension = plan.spec.output.image.format === 'jpeg' ? 'jpg' : 'png';
  const cells = new Map<number, Places>();

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
    const texts = workAhead(wanted, async (entry) => ({ entry, text: await textOf(entry) }), { items: READERS });
    for await (const { entry, text } of texts) entries.set(text, entry);
    return { entries, free };
  }

  const textOf = async ({ key }: Entry): Promise<string> => `${Buffer.from((await store.get(`${key}.json`)) ?? [])}`;

  /** The entry of an image: there already, or made in the first free place; null when there is none. */
  async function enter({ entries, free }: Places, cell: number, text: string): Promise<Entry | null> {
    for (let entry = entries.get(text); ; entry = entries.get(text)) {
      if (entry) return entry;
      const place = free.shift();
      if (place === undefined) return null;
      const made: Entry = { key: objects.rejected(cell, place), hasImage: false };
      const body = Buffer.from(text);
      const written = await store.create(`${made.key}.json`, body, { contentType: CONTENT_TYPES.json });
      // Another worker took the place, or our own answer was lost.
      entries.set(written === 'created' ? text : await textOf(made), made);
    }
  }

  return {
    wants(cell) {
      const known = cells.get(cell);
      return limit > 0 && (!known || known.free.length > 0 || [...known.entries.values()].some((one) => !one.hasImage));
    },
    async keep(image) {
      const { cell } = image.attempt.sample;
      if (!this.wants(cell)) return;
      const places = cells.get(cell) ?? (await readPlaces(cell));
      cells.set(cell, places);
      const entry = await enter(places, cell, `${canonicalJson(describe(plan, image))}\n`);
      if (!entry || entry.hasImage) return;
      await store.create(`${entry.key}.${extension}`, await image.encode(), { contentType: CONTENT_TYPES[extension] });
      entry.hasImage = true;
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
