import type { z } from 'zod';

/**
 * Reading what is sound of a document that may be wrong anywhere. A part whose form is wrong has an issue of its own;
 * the checks of meaning go on with all the others.
 */

/** The value with its defaults when its form is right, else undefined. */
export function sound<T>(schema: z.ZodType<T>, raw: unknown): T | undefined {
  const parsed = schema.safeParse(raw);
  return parsed.success ? parsed.data : undefined;
}

/** A member of a map; undefined where there is no such map or member. Inherited names are no members. */
export function member(raw: unknown, ...names: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[name];
  }
  return value;
}

/** The members of a map; none for anything else. */
export function members(raw: unknown): [string, unknown][] {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? Object.entries(raw) : [];
}

/** The entries of a list with their positions; none for anything else. */
export function items(raw: unknown): [number, unknown][] {
  return Array.isArray(raw) ? [...raw.entries()] : [];
}

/** The entries of a list whose own form is right, with their positions. */
export function soundItems<T>(schema: z.ZodType<T>, raw: unknown): [number, T][] {
  return items(raw).flatMap(([i, entry]): [number, T][] => {
    const value = sound(schema, entry);
    return value === undefined ? [] : [[i, value]];
  });
}
