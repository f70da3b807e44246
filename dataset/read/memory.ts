/** Remembering what was read lately. */

/**
 * An asynchronous function that remembers its last results, the least recently used ones being forgotten first. Calls for
 * one key that overlap share the work. Failures, and results that do not last, are not remembered.
 */
export function memoize<K, V>(
  limit: number,
  compute: (key: K) => Promise<V>,
  lasts: (value: V) => boolean = () => true,
): (key: K) => Promise<V> {
  const kept = new Map<K, Promise<V>>();
  return (key) => {
    const known = kept.get(key);
    kept.delete(key);
    const value = known ?? compute(key);
    kept.set(key, value);
    if (!known) {
      const forget = (): boolean => kept.get(key) === value && kept.delete(key);
      value.then((result) => lasts(result) || forget(), forget);
    }
    if (kept.size > limit) kept.delete(kept.keys().next().value!);
    return value;
  };
}

/** Runs at most `limit` of the given calls at once; the others wait in order. */
export function limited(limit: number): <T>(run: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (run) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
