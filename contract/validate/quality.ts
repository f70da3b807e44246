import { MAX_SHARDS } from '../names.ts';
import { seedIssues, shardIssues } from '../plan/limits.ts';
import { SEED_SPACE } from '../plan/seeds.ts';
import { issueAt } from '../schema/issue.ts';
import { outputSchema, qualitySchema } from '../schema/spec.ts';
import { withDefault } from './draft.ts';
import { GATE_VALIDATIONS } from './gates.ts';
import type { Validation } from './rule.ts';

/** `spec.quality` beside `spec.output`: all attempts and shards can be numbered, and images have a form that there is. */

/** Every attempt has a seed of its own and every shard a number, where the spec itself says how many there are. */
const numbers: Validation = {
  check: ({ quota, quality, output }) => {
    const samples = quota?.samples;
    if (!samples) return [];
    const attempts = quality === null ? null : withDefault(quality?.maxAttempts, qualitySchema.shape.maxAttempts);
    const size = output?.shard === null ? null : (output?.shard?.samples ?? defaultShard.samples);
    return [
      ...(attempts === null ? [] : seedIssues(samples, attempts)),
      ...(size === null || output?.shard?.samples === null ? [] : shardIssues(samples, size)),
    ];
  },
  cel: {
    '': [
      {
        rule: `!has(self.quota.samples) || self.quota.samples * self.quality.maxAttempts <= ${SEED_SPACE}`,
        message: `times spec.quota.samples is more than the ${SEED_SPACE} seeds (32 bits) that there are; lower it`,
        fieldPath: '.quality.maxAttempts',
      },
      {
        rule: `!has(self.quota.samples) || self.quota.samples <= self.output.shard.samples * ${MAX_SHARDS}`,
        message: `makes more than ${MAX_SHARDS} shards of spec.quota.samples; raise it`,
        fieldPath: '.output.shard.samples',
      },
    ],
  },
};

/** JPEG has 8 bits. */
const bitDepth: Validation = {
  check: ({ output }) => {
    const { format, bitDepth: bits } = output?.image ?? {};
    if (bits !== 16 || format === 'png' || format === null) return [];
    const message = '16 bits need PNG; add format: png, or leave bitDepth out';
    return [issueAt(['spec', 'output', 'image', 'bitDepth'], message)];
  },
  cel: {
    'output.image': [
      {
        rule: "self.bitDepth == 8 || self.format == 'png'",
        message: '16 bits need PNG; add format: png, or leave bitDepth out',
        fieldPath: '.bitDepth',
      },
    ],
  },
};

const defaultShard = outputSchema.shape.shard.parse(undefined);

export const QUALITY_VALIDATIONS: readonly Validation[] = [...GATE_VALIDATIONS, numbers, bitDepth];
