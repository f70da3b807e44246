import { createHash } from 'node:crypto';
import { type Group, groupName, groupsOf, isOf } from './groups.ts';

/** Which images the figures of a group are computed from, found in one pass over any number of them in bounded memory. */

/** Most images of the whole and of a group, and the fewest. */
const IMAGES = 2000;
const GROUP_IMAGES = 500;
export const MINIMUM = 50;
/** Most groups; beyond, cells have no figures of their own. */
const GROUPS = 500;
/** Most images of all groups together. */
const KEPT = 25_000;

export interface Limits {
  readonly images: number;
  readonly groupImages: number;
  readonly minimum: number;
}

export interface Groups {
  /** Those that figures are computed for. */
  readonly groups: readonly Group[];
  /** Cells that are too many to compute figures for. */
  readonly cellsLeftOut: number;
  readonly limits: Limits;
}

/** The groups of a cohort and how many images each is judged by. @param cells as `groupsOf` takes them */
export function boundedGroups(cells: readonly Group[]): Groups {
  const all = groupsOf(cells);
  const axes = Object.keys(cells[0] ?? {}).length;
  const groups = all.length <= GROUPS ? all : all.filter((group) => Object.keys(group).length < axes).slice(0, GROUPS);
  const groupImages = Math.max(MINIMUM, Math.min(GROUP_IMAGES, Math.floor(KEPT / groups.length)));
  return {
    groups,
    cellsLeftOut: all.length <= GROUPS ? 0 : cells.length,
    limits: { images: IMAGES, groupImages, minimum: MINIMUM },
  };
}

/** The place of an image in a random order that its key and the seed decide. */
export const priorityOf = (seed: string, key: string): number =>
  createHash('sha256').update(`${seed} ${key}`).digest().readUIntBE(0, 6);

export const limitOf = (group: Group, limits: Limits): number =>
  Object.keys(group).length === 0 ? limits.images : limits.groupImages;

export interface Sampled<T> {
  readonly key: string;
  readonly group: Group;
  readonly item: T;
}

interface Kept<T> extends Sampled<T> {
  readonly priority: number;
}

/** Keeps of each group the first images in the order of priorities. */
export interface Sampler<T> {
  add(one: Sampled<T>): void;
  /** The images kept for any group, in order of their keys. */
  finish(): readonly Sampled<T>[];
}

export function createSampler<T>({ groups, limits }: Groups, seed: string): Sampler<T> {
  const kept = new Map(groups.map((group) => [groupName(group), [] as Kept<T>[]]));
  const first = (list: Kept<T>[], limit: number): Kept<T>[] =>
    list.sort((a, b) => a.priority - b.priority || (a.key < b.key ? -1 : 1)).slice(0, limit);
  const groupsOfCell = new Map<string, readonly Group[]>();
  return {
    add(one) {
      const entry = { ...one, priority: priorityOf(seed, one.key) };
      const cell = groupName(one.group);
      const its = groupsOfCell.get(cell) ?? groups.filter((group) => isOf(group, one.group));
      groupsOfCell.set(cell, its);
      for (const group of its) {
        const [name, limit] = [groupName(group), limitOf(group, limits)];
        const list = kept.get(name)!;
        // Sorted once for each `limit` images, so that an image costs a constant number of comparisons.
        if (list.push(entry) >= 2 * limit) kept.set(name, first(list, limit));
      }
    },
    finish() {
      const all = new Map<string, Sampled<T>>();
      for (const group of groups)
        for (const { key, group: own, item } of first(kept.get(groupName(group))!, limitOf(group, limits)))
          all.set(key, { key, group: own, item });
      return [...all.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    },
  };
}
