import { canonicalJson } from '../contract/digest.ts';
import { REASONS } from '../contract/reasons.ts';
import type { DatasetStatus } from '../contract/schema/status.ts';
import type { Kube } from '../kube/types.ts';
import { refOf } from './act.ts';
import type { Decision } from './decide/decision.ts';
import type { Observed } from './observed.ts';
import { differs, nextStatus } from './status.ts';

/** Writes statuses: whole, only where something is new, and numbers not more often than anybody reads them. */

export interface StatusWriter {
  /** @returns milliseconds after which a change that was held back may be written; null when there is none */
  write(observed: Observed, decision: Decision): Promise<number | null>;
  forget(uid: string): void;
}

export interface EventOf {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface StatusWriterContext {
  readonly kube: Pick<Kube, 'patchStatus'>;
  readonly now: () => number;
  /** Called with each status that holds, written now or before. */
  readonly onStatus: (observed: Observed, status: DatasetStatus) => void;
  /** Called for what has come about, once it is written. */
  readonly onTransition: (observed: Observed, event: EventOf) => void;
}

/** Each write stores the whole resource and reaches every watch. */
const NUMBERS_MS = 3000;

export function createStatusWriter({ kube, now, onStatus, onTransition }: StatusWriterContext): StatusWriter {
  const writtenAt = new Map<string, number>();
  return {
    async write(observed, decision) {
      const { owner, status } = observed;
      const next = nextStatus(observed, decision);
      onStatus(observed, status);
      if (!next || !differs(status, next)) return null;
      const left = (writtenAt.get(owner.uid) ?? Number.NEGATIVE_INFINITY) + NUMBERS_MS - now();
      if (left > 0 && essence(status) === essence(next)) return left;
      await kube.patchStatus({ ...refOf(owner), uid: owner.uid }, next);
      writtenAt.set(owner.uid, now());
      onStatus(observed, next);
      for (const event of transitions(status, next)) onTransition(observed, event);
      return null;
    },
    forget: (uid) => {
      writtenAt.delete(uid);
    },
  };
}

/** The part that is written at once: all that programs act on. The rest are numbers, and messages that repeat them. */
function essence({ observedGeneration, planDigest, manifest, stages, conditions = [] }: DatasetStatus): string {
  const facts = conditions.map(({ type, status, reason }) => [type, status, reason]);
  const steps = stages?.map(({ progress: _, ...stage }) => stage);
  return canonicalJson({ observedGeneration, planDigest, manifest, stages: steps, facts });
}

/** The transition to report: another reason of Ready, or a step that is done. */
function transitions(before: DatasetStatus, after: DatasetStatus): EventOf[] {
  const was = (type: string) => before.conditions?.find((condition) => condition.type === type);
  return (after.conditions ?? []).flatMap(({ type, status, reason, message }) => {
    const isStep = type !== 'Ready' && type !== 'Reconciling' && type !== 'Stalled';
    const isNews = isStep
      ? status === 'True' && was(type)?.status !== 'True'
      : type === 'Ready' && was(type)?.reason !== reason;
    if (!isNews) return [];
    const stalls = REASONS[reason as keyof typeof REASONS]?.stalls ?? false;
    return [{ type: stalls ? ('Warning' as const) : ('Normal' as const), reason, message }];
  });
}
