import type { z } from 'zod';
import type { specSchema } from '../schema/spec.ts';

/**
 * A document that may be wrong anywhere, made safe to read: a value whose own form is wrong, which has an issue of its own,
 * is null; one that was left out is undefined. All the rest has the form that its type says.
 */
export type Draft<T> = unknown extends T
  ? unknown
  : T extends readonly (infer U)[]
    ? readonly (Draft<U> | null)[]
    : T extends object
      ? { readonly [K in keyof T]?: Draft<T[K]> | null | undefined }
      : T;

export type DraftSpec = Draft<z.input<typeof specSchema>>;

/** Replaces by null whatever zod found fault with. Only what lies on the way to a fault is copied. */
export function prune(document: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const root = { document };
  const copies = new Set<object>([root]);
  for (const issue of issues) {
    // An unknown field takes nothing from the fields that are known.
    if (issue.code !== 'unrecognized_keys') erase(root, ['document', ...issue.path], copies);
  }
  return root.document;
}

function erase(root: object, path: readonly PropertyKey[], copies: Set<object>): void {
  let parent = root as Record<PropertyKey, unknown>;
  for (const [depth, name] of path.entries()) {
    if (!Object.hasOwn(parent, name)) return;
    const value = parent[name];
    if (depth === path.length - 1 || typeof value !== 'object' || value === null) {
      parent[name] = null;
      return;
    }
    if (!copies.has(value)) {
      parent[name] = Array.isArray(value) ? [...value] : { ...value };
      copies.add(parent[name] as object);
    }
    parent = parent[name] as Record<PropertyKey, unknown>;
  }
}

/** The value, or the default of its field where it was left out; null where its form is wrong. */
export const withDefault = <T>(value: T | null | undefined, field: z.ZodType<T>): T | null =>
  value === undefined ? field.parse(undefined) : value;

/** The sound entries of a list, with their positions. */
export const soundItems = <T>(list: readonly (T | null)[] | null | undefined): [number, T][] =>
  (list ?? []).flatMap((entry, i): [number, T][] => (entry === null ? [] : [[i, entry]]));

/** The entries of a map by name, null for a value whose form is wrong. */
export const entries = <T>(map: Readonly<Record<string, T>> | null | undefined): [string, T][] =>
  Object.entries(map ?? {});

/** Whether no part of a value has a wrong form. */
export const isWhole = (value: unknown): boolean =>
  value !== null && (typeof value !== 'object' || Object.values(value).every(isWhole));
