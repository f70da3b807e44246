import { objects, parseRecordKey } from '../../contract/names.ts';
import { type Plan, shardRange } from '../../contract/plan/plan.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { readRecord } from './commit.ts';

/** Which shards are committed, found by one listing, so that a run of many shards resumes at once. */
export interface Progress {
  /** Shards without a record, in order. */
  readonly pending: readonly number[];
  /** Samples of the shards that have one. */
  readonly samples: number;
}

/**
 * A record is there whole or not at all, so its name says that its shard is committed; publishing reads each. Only the
 * first is read here: a prefix of another plan must not wait for the end to be found out.
 * @throws StoreError when that record is not one, or belongs to another plan
 */
export async function readProgress(store: ObjectStore, plan: Plan): Promise<Progress> {
  const committed = new Set<number>();
  for await (const { key } of store.list(objects.records)) {
    const shard = parseRecordKey(key);
    if (shard !== null && shard < plan.shards) committed.add(shard);
  }
  const [first] = committed;
  if (first !== undefined) await readRecord(store, plan, first);
  const pending: number[] = [];
  let samples = 0;
  for (let shard = 0; shard < plan.shards; shard++) {
    const { start, end } = shardRange(plan, shard);
    if (committed.has(shard)) samples += end - start;
    else pending.push(shard);
  }
  return { pending, samples };
}
