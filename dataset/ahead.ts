/** Bounds on what is worked on at once. */
export interface Ahead<T> {
  /** Items begun and not yet taken, at most. */
  readonly items: number;
  /** The total weight of these items, at most; a single one may weigh more. */
  readonly weight?: number;
  readonly weightOf?: (item: T) => number;
}

/**
 * Runs a step for several items at once and yields the results in order. An item counts until the next result is asked for,
 * so that the bounds cover what the caller still holds.
 */
export async function* workAhead<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  run: (item: T) => Promise<R>,
  { items: most, weight: heaviest = Number.POSITIVE_INFINITY, weightOf = () => 0 }: Ahead<T>,
): AsyncGenerator<R, void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const begun: { readonly result: Promise<R>; readonly weight: number }[] = [];
  let weight = 0;
  try {
    let next = await source.next();
    for (;;) {
      while (!next.done && begun.length < most && (begun.length === 0 || weight + weightOf(next.value) <= heaviest)) {
        const its = weightOf(next.value);
        const result = run(next.value);
        result.catch(() => {}); // Awaited in its turn, or not at all after an earlier error.
        begun.push({ result, weight: its });
        weight += its;
        next = await source.next();
      }
      if (begun.length === 0) return;
      yield await begun[0]!.result;
      weight -= begun.shift()!.weight;
    }
  } finally {
    await source.return?.();
  }
}
