import type { z } from 'zod';
import { CONDITIONS, type statusSchema } from '../../contract/schema/status.ts';

type Status = z.infer<typeof statusSchema>;

/** A status in the middle of the work, with every field. */
export function sampleStatus(): Status {
  const time = '2026-01-02T03:04:05Z';
  return {
    observedGeneration: 1,
    conditions: CONDITIONS.map((type) => ({
      type,
      status: type === 'Accepted' || type === 'Reconciling' ? 'True' : type === 'Stalled' ? 'False' : 'Unknown',
      observedGeneration: 1,
      lastTransitionTime: time,
      reason: type === 'Ready' ? 'Generating' : 'Progressing',
      message: '6 of 16 images are accepted',
    })),
    planDigest: 'a'.repeat(64),
    samples: { wanted: 16, accepted: 6, exhausted: 0, attempts: 9 },
    percent: 37,
    acceptanceRate: 0.66,
    imagesPerSecond: 1.5,
    secondsLeft: 7,
    cells: { complete: 1, total: 8 },
    shards: { committed: 1, total: 4 },
    worstCells: [{ cell: 'age=18-39,finding=edema,sex=male', wanted: 2, accepted: 0, acceptanceRate: 0, gate: 'sex' }],
    manifest: { uri: 's3://cohorts/small/dataset.json', sha256: 'b'.repeat(64) },
    stages: [{ name: 'pretrain', state: 'Running', job: 'small-train-pretrain', metrics: { auroc: 0.81 } }],
    lastUpdateTime: time,
  };
}
