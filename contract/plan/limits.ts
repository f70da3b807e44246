import { MAX_SHARDS } from '../names.ts';
import { type Issue, issueAt } from '../schema/issue.ts';
import { SEED_SPACE } from './seeds.ts';

/** The number of attempts and shards that a plan can have. */

/** @returns an issue when the attempts do not fit in 32-bit seeds */
export function seedIssues(samples: number, attempts: number): Issue[] {
  if (samples * attempts <= SEED_SPACE) return [];
  const message = `${attempts} attempts for each of ${samples} samples need ${samples * attempts} seeds, but there are only ${SEED_SPACE} (32 bits); lower it to ${Math.floor(SEED_SPACE / samples)}`;
  return [issueAt(['spec', 'quality', 'maxAttempts'], message)];
}

/** @returns an issue when the shards do not fit in the digits of their names */
export function shardIssues(samples: number, size: number): Issue[] {
  const shards = Math.ceil(samples / size);
  if (shards <= MAX_SHARDS) return [];
  const message = `${size} for each shard makes ${shards} shards; the most is ${MAX_SHARDS}: raise it to at least ${Math.ceil(samples / MAX_SHARDS)}`;
  return [issueAt(['spec', 'output', 'shard', 'samples'], message)];
}
