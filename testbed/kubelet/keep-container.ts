import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ContainerStart, type StartedContainer, startContainer } from './container.ts';
import { now, type PodReport } from './pod-report.ts';
import { ConfigError } from './sources.ts';
import type { Terminated } from './types.ts';

/**
 * One container, from waiting to its last end.
 *
 *   waiting (ErrImagePull | CreateContainerConfigError | ...) ─▶ running ─▶ terminated
 *                          ▲                                        │
 *                          └────── CrashLoopBackOff ◀── restarts ───┘
 */
export interface Keeping extends ContainerStart {
  readonly report: PodReport;
  /** Set when the pod is to stop: waiting steps give up, running processes are signalled elsewhere. */
  readonly ending: AbortSignal;
  readonly policy: 'Always' | 'OnFailure' | 'Never';
  canPull(image: string): boolean;
  onStart(process: StartedContainer): void;
  onEnd(process: StartedContainer): void;
}

const RETRY_MS = 500;
/** The real kubelet begins with 10 seconds. */
const BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 30_000;

/** Runs a container until its pod wants it no more; returns how it ended last. */
export async function keepContainer(keeping: Keeping): Promise<Terminated> {
  const { report, container, ending, policy } = keeping;
  for (let delay = BACK_OFF_MS; ; delay = Math.min(delay * 2, MAX_BACK_OFF_MS)) {
    const terminated = await runOnce(keeping);
    const { last, restarts } = report.record(container);
    const again = policy === 'Always' || (policy === 'OnFailure' && terminated?.exitCode !== 0);
    if (terminated === null || !again || ending.aborted) {
      const end = terminated ?? last ?? neverStarted();
      report.set(container, { state: { terminated: end } });
      return end;
    }
    report.set(container, {
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      last: terminated,
      restarts: restarts + 1,
    });
    report.event('Warning', 'BackOff', `Back-off restarting failed container ${container.name}`);
    await pause(delay, ending);
  }
}

const neverStarted = (): Terminated => ({
  exitCode: 137,
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
  startedAt: null,
  finishedAt: now(),
});

/** Null when the pod ended before the container's program could start. */
async function runOnce(keeping: Keeping): Promise<Terminated | null> {
  const { container, report } = keeping;
  await pull(keeping);
  await mkdir(keeping.folder, { recursive: true });
  const process = await retry(
    keeping.ending,
    () => startContainer(keeping),
    (error) => {
      const reason = error instanceof ConfigError ? 'CreateContainerConfigError' : 'CreateContainerError';
      report.wait(container, reason, error.message);
      report.event('Warning', 'Failed', `Error: ${error.message}`);
    },
  );
  if (process === null) return null;
  const startedAt = now();
  keeping.onStart(process);
  report.set(container, { state: { running: { startedAt } } });
  report.event('Normal', 'Started', `Container started: ${container.name}`);
  const end = await process.end;
  keeping.onEnd(process);
  const message = await process.message(end.exitCode);
  const reason = end.exitCode === 0 ? 'Completed' : 'Error';
  return { ...end, reason, ...(message !== '' && { message }), startedAt, finishedAt: now() };
}

async function pull({ container, report, ending, canPull }: Keeping): Promise<void> {
  const { image } = container;
  const failure = `failed to pull and unpack image "${image}": not found`;
  for (let tries = 0; !canPull(image) && !ending.aborted; tries++) {
    if (tries % 2 === 0) report.wait(container, 'ErrImagePull', failure);
    else report.wait(container, 'ImagePullBackOff', `Back-off pulling image "${image}": ErrImagePull: ${failure}`);
    report.event('Warning', 'Failed', `Failed to pull image "${image}": ${failure}`);
    await pause(RETRY_MS, ending);
  }
}

/** Tries until it works; null when the pod ends before. */
export async function retry<T>(
  ending: AbortSignal,
  attempt: () => Promise<T>,
  onFailure: (error: Error) => void,
): Promise<T | null> {
  while (!ending.aborted) {
    try {
      return await attempt();
    } catch (error) {
      onFailure(error as Error);
      await pause(RETRY_MS, ending);
    }
  }
  return null;
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch(() => undefined);
