import { type Line, tellEvent, writeStatus } from './report.ts';
import { type Condition, type ContainerRecord, newRecord, statusOf } from './status.ts';
import type { Container, Pod } from './types.ts';

/** The state of one pod, reported to the API server whenever it changes. */
export interface PodReport {
  record(container: Container): ContainerRecord;
  set(container: Container, change: Partial<ContainerRecord>): void;
  wait(container: Container, reason: string, message?: string): void;
  /** A warning is reported once. */
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
  /** No container of the pod will be started again; resolves when all is reported. */
  close(): Promise<void>;
  /** Stops reporting. */
  abandon(): void;
}

/** The API server keeps whole seconds. */
export const now = (): string => `${new Date().toISOString().slice(0, 19)}Z`;

export function openReport(pod: Pod, line: Line): PodReport {
  const records = new Map<string, ContainerRecord>();
  const startTime = now();
  const warned = new Set<string>();
  let conditions: readonly Condition[] = [];
  let over = false;
  let abandoned = false;
  let last = '';
  let queue = Promise.resolve();

  /** Reports the state as it is once all earlier reports are sent. */
  function tell(): Promise<void> {
    queue = queue.then(async () => {
      const status = statusOf(pod, { containers: records, startTime, over }, conditions, now());
      const text = JSON.stringify(status);
      if (abandoned || text === last) return;
      conditions = status.conditions;
      last = text;
      await writeStatus(line, pod, status);
    });
    return queue;
  }

  const record = ({ name }: Container) => records.get(name) ?? newRecord();
  function set(container: Container, change: Partial<ContainerRecord>): void {
    records.set(container.name, { ...record(container), ...change });
    void tell();
  }

  void tell();
  return {
    record,
    set,
    wait: (container, reason, message) =>
      set(container, { state: { waiting: { reason, ...(message !== undefined && { message }) } } }),
    event: (type, reason, message) => {
      const known = reason + message;
      if (type === 'Warning' && warned.has(known)) return;
      warned.add(known);
      tellEvent(line, pod, { type, reason, message });
    },
    close: () => {
      over = true;
      return tell();
    },
    abandon: () => {
      abandoned = true;
    },
  };
}
