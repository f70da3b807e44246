import type { LineageState } from '../../contract/lineage.ts';
import type { ConditionType, DatasetStatus } from '../../contract/schema/status.ts';

/**
 * The states of a dataset's run that its status shows (pure). They follow from the status alone, times included, so an
 * operator that restarts finds the very same ones:
 *
 *   START ──▶ COMPLETE                  the plan is accepted; the manifest is written
 *     ├─▶ FAIL ──▶ RUNNING ──▶ …        stalled until a person acts; work continues
 *     └─▶ ABORT                         deleted before it was complete
 */
export interface LineageChange {
  readonly state: LineageState;
  /** ISO 8601. */
  readonly time: string;
}

/** @param deletedAt when the deletion of the resource was requested */
export function lineageChanges(status: DatasetStatus, deletedAt: string | undefined): LineageChange[] {
  const { planDigest, manifest, samples, shards } = status;
  if (planDigest === undefined) return [];
  const condition = (type: ConditionType) => status.conditions?.find((one) => one.type === type);
  const accepted = condition('Accepted');
  const changes: LineageChange[] =
    accepted?.status === 'True' ? [{ state: { type: 'START' }, time: accepted.lastTransitionTime }] : [];
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
  else if (accepted && stalled && isLater(stalled.lastTransitionTime, accepted.lastTransitionTime))
    changes.push({ state: { type: 'RUNNING' }, time: stalled.lastTransitionTime });
  if (deletedAt !== undefined)
    changes.push({ state: { type: 'ABORT', message: 'the SyntheticDataset was deleted' }, time: deletedAt });
  return changes;
}

const isLater = (a: string, b: string): boolean => Date.parse(a) > Date.parse(b);
