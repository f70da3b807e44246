/** Time, so that tests can have their own. */
export interface Clock {
  /** Milliseconds that only ever grow; they say nothing about the time of day. */
  now(): number;
  /** Calls once, after so many milliseconds; the returned function calls it off. */
  after(ms: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/** A point in time as the API server's MicroTime, which wants six digits where a Date has three. */
export const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');
