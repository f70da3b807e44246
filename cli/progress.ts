import type { WorkObserver } from '../worker/work.ts';

/** Progress for people: a bar on a terminal, plain lines elsewhere. */

export interface ProgressState {
  readonly wanted: number;
  /** Samples decided: in committed shards, in stored parts, or accepted since. */
  readonly done: number;
  readonly attempts: number;
  readonly accepted: number;
  /** Seconds since the model was loaded. */
  readonly seconds: number;
}

/** `63 %`, never more than there is; a dash where there is nothing to divide by. */
export const percent = (part: number, whole: number): string =>
  whole > 0 ? `${Math.floor((100 * part) / whole)} %` : '-';

/** Seconds as `m:ss` or `h:mm:ss`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** One line: images, share accepted, images per second, time left. */
export function describeProgress({ wanted, done, attempts, accepted, seconds }: ProgressState): string {
  const rate = seconds > 0 ? accepted / seconds : 0;
  const left = rate > 0 ? clock((wanted - done) / rate) : '-';
  return `${done}/${wanted} images, ${percent(accepted, attempts)} accepted, ${rate.toFixed(1)} images/s, ${left} left`;
}

const WIDTH = 28;

export function progressBar(state: ProgressState): string {
  const filled = Math.min(WIDTH, Math.floor((WIDTH * state.done) / Math.max(1, state.wanted)));
  return `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${describeProgress(state)}`;
}

export interface ProgressOptions {
  readonly wanted: number;
  /** Samples in shards that were committed before this run. */
  readonly before: number;
  readonly stream: NodeJS.WriteStream;
  /** Seconds from any origin. */
  readonly now: () => number;
}

/** Plain lines come at most this often, in seconds; a bar is drawn more often. */
const LINE_EVERY = 10;
const BAR_EVERY = 0.2;

export interface ProgressView extends Pick<WorkObserver, 'ready' | 'resumed' | 'sampled' | 'committed'> {
  /** Prints a line without disturbing the bar. */
  note(line: string): void;
  end(): void;
}

/** Follows the work. What a failed try had in hand is counted once it is made again. */
export function showProgress({ wanted, before, stream, now }: ProgressOptions): ProgressView {
  const open = new Map<number, number>();
  let [committed, attempts, accepted] = [before, 0, 0];
  let begun: number | null = null;
  let shown = Number.NEGATIVE_INFINITY;
  const state = (): ProgressState => ({
    wanted,
    done: Math.min(wanted, committed + [...open.values()].reduce((sum, n) => sum + n, 0)),
    attempts,
    accepted,
    seconds: begun === null ? 0 : now() - begun,
  });
  const draw = (force: boolean): void => {
    if (begun === null || (!force && now() - shown < (stream.isTTY ? BAR_EVERY : LINE_EVERY))) return;
    shown = now();
    if (stream.isTTY) stream.write(`\r\x1b[2K${progressBar(state()).slice(0, (stream.columns ?? 80) - 1)}`);
    else stream.write(`${describeProgress(state())}\n`);
  };
  return {
    ready() {
      // Loading the model must not count into the rate.
      begun ??= now();
    },
    sampled(batch) {
      attempts += batch.attempts;
      accepted += batch.accepted;
      open.set(batch.shard, (open.get(batch.shard) ?? 0) + batch.accepted);
      draw(false);
    },
    resumed({ shard, samples }) {
      open.set(shard, samples);
    },
    committed(record) {
      open.delete(record.shard);
      committed += record.end - record.start;
      draw(stream.isTTY);
    },
    note(line) {
      stream.write(stream.isTTY ? `\r\x1b[2K${line}\n` : `${line}\n`);
    },
    end() {
      draw(true);
      if (stream.isTTY && begun !== null) stream.write('\n');
    },
  };
}

type Counting = (done: number, all: number) => void;

/** Counts things on a terminal, in a line that is gone at the end; elsewhere it prints nothing. */
export function countDone(stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>, things: string): Counting {
  if (!stream.isTTY) return () => {};
  return (done, all) => {
    stream.write(`\r${done < all ? `${done} of ${all} ${things}` : ''}\x1b[K`);
  };
}

export const countShards = (stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>): Counting =>
  countDone(stream, 'shards');
