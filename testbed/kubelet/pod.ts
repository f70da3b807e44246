import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Image, logFile, type StartedContainer } from './container.ts';
import { keepContainer, retry } from './keep-container.ts';
import { openReport } from './pod-report.ts';
import { finishDeletion, type Line } from './report.ts';
import { sourcesOf } from './sources.ts';
import type { Container, Pod, Terminated } from './types.ts';
import { makeVolumes } from './volumes.ts';

/** One pod from its binding to its end. */
export interface PodRun {
  readonly pod: Pod;
  /** Log files of its containers, in order. */
  readonly logs: readonly string[];
  /** Ends its processes as its deletion asks for; the object goes when they are gone. */
  delete(graceSeconds: number): void;
  /** Its object is gone: its processes go at once. */
  abandon(): void;
  /** Ends the processes that run now, as a crash would. */
  kill(): void;
  isRunning(): boolean;
  /** Resolves when none of it runs and all is reported. */
  readonly done: Promise<void>;
}

export interface PodContext {
  readonly line: Line;
  readonly image: Image;
  /** Folder for this pod. */
  readonly folder: string;
  /** Whether an image can be had now. */
  canPull(image: string): boolean;
}

export function runPod(pod: Pod, context: PodContext): PodRun {
  const { line, image, folder, canPull } = context;
  const { initContainers = [], containers, restartPolicy = 'Always' } = pod.spec;
  const report = openReport(pod, line);
  const sources = sourcesOf(line.access, pod);
  const running = new Set<StartedContainer>();
  const ending = new AbortController();
  let deleting = false;
  let abandoned = false;

  const folderOf = ({ name }: Container): string => join(folder, 'containers', name);
  const signal = (name: 'SIGTERM' | 'SIGKILL') => {
    for (const process of running) process.signal(name);
  };

  function keep(container: Container, policy: 'Always' | 'OnFailure' | 'Never', volumes: ReadonlyMap<string, string>) {
    return keepContainer({
      ...{ pod, container, sources, volumes, image, folder: folderOf(container), report, policy, canPull },
      ending: ending.signal,
      onStart: (process) => {
        running.add(process);
        // It may have been on its way when the pod was stopped.
        if (abandoned) process.signal('SIGKILL');
        else if (deleting) process.signal('SIGTERM');
      },
      onEnd: (process) => void running.delete(process),
    });
  }

  async function runAll(): Promise<void> {
    const volumes = await retry(
      ending.signal,
      () => makeVolumes(pod, join(folder, 'volumes'), sources),
      (error) => report.event('Warning', 'FailedMount', `MountVolume.SetUp failed: ${error.message}`),
    );
    const hasFailed = ({ exitCode }: Terminated) => exitCode !== 0;
    for (const container of initContainers) {
      const end = await keep(container, restartPolicy === 'Never' ? 'Never' : 'OnFailure', volumes ?? new Map());
      if (hasFailed(end)) return;
    }
    await Promise.all(containers.map((container) => keep(container, restartPolicy, volumes ?? new Map())));
  }

  async function live(): Promise<void> {
    await runAll();
    await report.close();
    await rm(join(folder, 'volumes'), { recursive: true, force: true });
  }

  const done = live();
  return {
    pod,
    done,
    logs: [...initContainers, ...containers].map((container) => logFile(folderOf(container))),
    delete: (graceSeconds) => {
      if (!deleting) {
        deleting = true;
        ending.abort();
        if (running.size > 0) report.event('Normal', 'Killing', 'Stopping the containers of the pod');
        signal('SIGTERM');
        void done.then(() => (abandoned ? undefined : finishDeletion(line, pod)));
      }
      // A later, shorter grace period holds as well.
      setTimeout(() => signal('SIGKILL'), graceSeconds * 1000).unref();
    },
    abandon: () => {
      abandoned = true;
      report.abandon();
      ending.abort();
      signal('SIGKILL');
    },
    kill: () => signal('SIGKILL'),
    isRunning: () => running.size > 0,
  };
}
