import type { Container, ContainerState, Pod, Terminated } from './types.ts';

/** PURE: the status of a pod from what its containers do, as a kubelet reports it. */

export interface ContainerRecord {
  readonly state: ContainerState;
  readonly last: Terminated | null;
  readonly restarts: number;
}

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly lastTransitionTime: string;
}

interface PodRecord {
  readonly containers: ReadonlyMap<string, ContainerRecord>;
  readonly startTime: string;
  /** Nothing of it will be started again. */
  readonly over: boolean;
}

type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

const CREATING: ContainerState = { waiting: { reason: 'ContainerCreating' } };
const INITIALIZING: ContainerState = { waiting: { reason: 'PodInitializing' } };

export const newRecord = (): ContainerRecord => ({ state: CREATING, last: null, restarts: 0 });

/** The fields that are sent; the API server knows more. */
export interface PodStatus {
  readonly phase: Phase;
  readonly conditions: readonly Condition[];
  readonly [field: string]: unknown;
}

export function statusOf(pod: Pod, record: PodRecord, before: readonly Condition[], now: string): PodStatus {
  const phase = phaseOf(pod, record);
  const { initContainers = [], containers } = pod.spec;
  const initialized = initContainers.every(({ name }) => exitCode(record, name) === 0);
  const statuses = (list: readonly Container[], waiting: ContainerState) =>
    list.map((container) => containerStatus(container, record.containers.get(container.name), waiting));
  return {
    phase,
    startTime: record.startTime,
    conditions: conditionsOf({ pod, phase, initialized, record }).map((one) => dated(one, before, now)),
    ...(initContainers.length > 0 && { initContainerStatuses: statuses(initContainers, CREATING) }),
    containerStatuses: statuses(containers, initialized ? CREATING : INITIALIZING),
  };
}

function phaseOf({ spec }: Pod, record: PodRecord): Phase {
  const codes = [...(spec.initContainers ?? []), ...spec.containers].map(({ name }) => exitCode(record, name));
  if (record.over) return codes.every((code) => code === 0) ? 'Succeeded' : 'Failed';
  const began = ({ name }: Container) => {
    const { state, last } = record.containers.get(name) ?? newRecord();
    return !('waiting' in state) || last !== null;
  };
  return spec.containers.every(began) ? 'Running' : 'Pending';
}

function exitCode(record: PodRecord, name: string): number | null {
  const state = record.containers.get(name)?.state;
  return state && 'terminated' in state ? state.terminated.exitCode : null;
}

function containerStatus({ name, image }: Container, record: ContainerRecord | undefined, waiting: ContainerState) {
  const { state, last, restarts } = record ?? { ...newRecord(), state: waiting };
  const running = 'running' in state;
  return {
    name,
    image,
    imageID: '',
    ready: running,
    started: running,
    restartCount: restarts,
    state,
    lastState: last === null ? {} : { terminated: last },
  };
}

interface Situation {
  readonly pod: Pod;
  readonly phase: Phase;
  readonly initialized: boolean;
  readonly record: PodRecord;
}

type Undated = Omit<Condition, 'lastTransitionTime'>;

function conditionsOf({ pod, phase, initialized, record }: Situation): Undated[] {
  const over = phase === 'Succeeded' ? 'PodCompleted' : phase === 'Failed' ? 'PodFailed' : null;
  const ready = pod.spec.containers.every(({ name }) => 'running' in (record.containers.get(name)?.state ?? {}));
  const condition = (type: string, isTrue: boolean, reason: string): Undated =>
    isTrue ? { type, status: 'True' } : { type, status: 'False', reason };
  return [
    condition('PodScheduled', true, ''),
    condition('Initialized', initialized || phase === 'Succeeded', 'ContainersNotInitialized'),
    condition('ContainersReady', ready, over ?? 'ContainersNotReady'),
    condition('Ready', ready, over ?? 'ContainersNotReady'),
  ];
}

function dated(condition: Undated, before: readonly Condition[], now: string): Condition {
  const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
  return { ...condition, lastTransitionTime: same?.lastTransitionTime ?? now };
}
