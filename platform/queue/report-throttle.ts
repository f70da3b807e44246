import { type LiveEvent, liveInterval } from '../../contract/schema/task.ts';

/** Reports of running work come as often as the worker likes and leave as seldom as the number of workers demands. */
export class ReportThrottle {
  /** About how many work on the dataset now. */
  workers = 1;
  #held: LiveEvent | null = null;
  #next = 0;

  /** @param now in milliseconds. @returns the report that is due, with what came since the last one; null when none is */
  merge(event: LiveEvent, now: number): LiveEvent | null {
    const { since } = event;
    const before = this.#held?.since ?? { seconds: 0, accepted: 0, attempts: 0 };
    this.#held = {
      ...event,
      since: {
        seconds: before.seconds + since.seconds,
        accepted: before.accepted + since.accepted,
        attempts: before.attempts + since.attempts,
      },
    };
    if (now < this.#next) return null;
    const due = this.#held;
    this.#held = null;
    this.#next = now + 1000 * liveInterval(this.workers);
    return due;
  }
}
