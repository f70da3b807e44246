import type { Clock } from '../../kube/clock.ts';
import type { LineageSink } from '../../platform/lineage.ts';
import type { Logger } from '../../platform/log.ts';

/** Events that wait for their server, sent one after another: those of a run in their order, the runs in turn. */
export interface Outbox {
  /** Takes an event, which is made when it is sent. @returns false where too many wait already */
  add(line: Line, event: () => object): boolean;
  /** Resolves when nothing is left to send. */
  flush(): Promise<void>;
}

/** The events of one run that wait. */
export interface Line {
  readonly waiting: (() => object)[];
  /** Events that the server had taken when this line last gave its turn away. */
  takenBefore?: number;
}

export interface OutboxOptions {
  readonly sink: LineageSink;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Bounds memory while a server is unreachable; each is a few hundred bytes. */
const MAX_WAITING = 50_000;
/** After so many tries of one event it is the turn of the next run. */
const TRIES = 5;
const BACKOFF = { firstMs: 1000, maxMs: 60_000 };

export function createOutbox({ sink, clock, log }: OutboxOptions): Outbox {
  const lines = new Set<Line>();
  let waiting = 0;
  let dropped = 0;
  /** Events that the server took or refused: it is there. */
  let taken = 0;
  /** Since the server last took an event. */
  let failures = 0;
  let sending: Promise<void> | null = null;

  const next = (line: Line): void => {
    line.waiting.shift();
    delete line.takenBefore;
    waiting--;
  };
  const pause = (): Promise<void> => {
    const pauseMs = Math.min(BACKOFF.maxMs, BACKOFF.firstMs * 2 ** Math.min(failures - 1, 10));
    return new Promise((resolve) => clock.after(pauseMs, resolve));
  };
  /** Drops an event that fails while others get through; gives way to other runs before. */
  const giveWay = (line: Line, why: string): void => {
    if (line.takenBefore !== undefined && taken > line.takenBefore) {
      log.warn({ why }, 'an OpenLineage event is dropped: its server takes others but not this one');
      next(line);
    } else line.takenBefore = taken;
  };
  const takeTurn = async (line: Line): Promise<void> => {
    for (let tries = 0; line.waiting.length > 0; ) {
      const fault = await sink.emit(line.waiting[0]!());
      if (!fault || fault.isFinal) {
        if (fault) log.warn({ why: fault.message }, 'an OpenLineage event was refused; it is not sent again');
        else if (failures > 0) log.info('OpenLineage events are sent again');
        [failures, tries] = [0, 0];
        taken++;
        next(line);
        continue;
      }
      if (failures++ === 0) log.warn({ why: fault.message }, 'OpenLineage events wait: their server takes none');
      await pause();
      if (++tries === TRIES) return giveWay(line, fault.message);
    }
  };
  const sendAll = async (): Promise<void> => {
    for (const line of lines) {
      await takeTurn(line);
      lines.delete(line);
      if (line.waiting.length > 0) lines.add(line);
    }
    if (dropped > 0) log.warn({ dropped }, 'OpenLineage events were dropped: too many waited for their server');
    dropped = 0;
    sending = null;
  };
  return {
    add(line, event) {
      if (waiting >= MAX_WAITING) {
        if (dropped++ === 0) log.warn({ waiting }, 'OpenLineage events are dropped: too many wait for their server');
        return false;
      }
      line.waiting.push(event);
      waiting++;
      lines.add(line);
      sending ??= sendAll();
      return true;
    },
    flush: async () => {
      await sending;
    },
  };
}
