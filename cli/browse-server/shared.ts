import { limited } from '../../dataset/read/memory.ts';

/** Computations that take long: one at a time, shared by those who ask for the same, and stopped once no one waits. */

interface Entry<V> {
  readonly value: Promise<V>;
  readonly stop: AbortController;
  waiting: number;
  isDone: boolean;
}

/** @param compute rejects soon after its signal is aborted */
export type Shared<V> = (key: string, signal: AbortSignal, compute: (signal: AbortSignal) => Promise<V>) => Promise<V>;

/** Remembers the last results, by their keys; all that it computes takes turns. @param kept how many results */
export function createShared(kept: number): <V>() => Shared<V> {
  const inTurn = limited(1);
  return <V>(): Shared<V> => {
    const entries = new Map<string, Entry<V>>();
    const begin = (key: string, compute: (signal: AbortSignal) => Promise<V>): Entry<V> => {
      const stop = new AbortController();
      const value = inTurn(async () => {
        stop.signal.throwIfAborted();
        return await compute(stop.signal);
      });
      const entry: Entry<V> = { value, stop, waiting: 0, isDone: false };
      const forget = (): void => {
        if (entries.get(key) === entry) entries.delete(key);
      };
      value.then(() => {
        entry.isDone = true;
      }, forget);
      return entry;
    };
    return async (key, signal, compute) => {
      signal.throwIfAborted();
      const known = entries.get(key);
      const entry = known && !known.stop.signal.aborted ? known : begin(key, compute);
      entries.delete(key);
      entries.set(key, entry);
      if (entries.size > kept) entries.delete(entries.keys().next().value!);
      entry.waiting++;
      const leave = (): void => {
        entry.waiting--;
        if (entry.waiting === 0 && !entry.isDone) entry.stop.abort();
      };
      signal.addEventListener('abort', leave, { once: true });
      try {
        return await entry.value;
      } finally {
        signal.removeEventListener('abort', leave);
      }
    };
  };
}
