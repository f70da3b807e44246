import type { LineageState } from '../../contract/lineage.ts';
import type { ConditionType, DatasetStatus } from '../../contract/schema/status.ts';
import type { Owner } from '../observed.ts';

/**
 * The states of a dataset's run that its status shows (pure). They follow from the status alone, times included, so an
 * operator that restarts finds the very same ones, as far as the status still shows them:
 *
 *   START ──▶ RUNNING ──▶ COMPLETE      the plan is accepted; the manifest is written
 *                │  ▲
 *                ▼  │
 *               FAIL                    stalled until a person acts; RUNNING again when work continues
 *     ABORT                             deleted before it was complete
 */
export interface LineageChange {
  readonly state: LineageState;
  /** ISO 8601. */
  readonly time: string;
  /** When the status began to show it, where that is not its time. */
  readonly shownSince?: string;
}

/** @param owner whose creation is the start: the time of a condition is another one after an edit */
export function lineageChanges(
  status: DatasetStatus,
  { createdAt, deletedAt }: Pick<Owner, 'createdAt' | 'deletedAt'>,
): LineageChange[] {
  const { planDigest, manifest, samples, shards } = status;
  if (planDigest === undefined) return [];
  const condition = (type: ConditionType) => status.conditions?.find((one) => one.type === type);
  const accepted = condition('Accepted');
  const acceptedAt = accepted?.lastTransitionTime;
  const changes: LineageChange[] =
    acceptedAt === undefined
      ? []
      : [{ state: { type: 'START' }, time: createdAt ?? acceptedAt, shownSince: acceptedAt }];
  if (manifest) {
    const published = condition('Published');
    const output = { images: samples?.accepted ?? 0, shards: shards?.committed ?? 0 };
    if (published?.status === 'True')
      changes.push({ state: { type: 'COMPLETE', output }, time: published.lastTransitionTime });
    return changes;
  }
  const stalled = condition('Stalled');
  if (stalled?.status === 'True')
    changes.push({ state: { type: 'FAIL', message: stalled.message }, time: stalled.lastTransitionTime });
  else if (accepted?.status === 'True')
    changes.push({ state: { type: 'RUNNING' }, time: later(accepted.lastTransitionTime, stalled?.lastTransitionTime) });
  if (deletedAt !== undefined)
    changes.push({ state: { type: 'ABORT', message: 'the SyntheticDataset was deleted' }, time: deletedAt });
  return changes;
}

const later = (a: string, b = a): string => (Date.parse(b) > Date.parse(a) ? b : a);
