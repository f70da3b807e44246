import { makePlan, type Plan, samplesBetween, shardRange } from '../contract/plan/plan.ts';
import { parseDataset } from '../contract/validate/parse.ts';
import { median } from './measure.ts';

/** Planning 2,000 cells and finding shards, at three sizes. Neither time nor memory may grow with the samples. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

const SIZES = [
  ['565 thousand', 565_000],
  ['10 million', 10_000_000],
  ['100 million', 100_000_000],
] as const;
const ROUNDS = 15;
const SHARD = 1000;

const named = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

function plan(samples: number): Plan {
  const axes = {
    sex: { values: named('sex-', 2) },
    age: { bins: Array.from({ length: 10 }, (_, i) => `${9 * i}-${9 * i + 8}`) },
    race: { values: named('race-', 10) },
    finding: { values: named('finding-', 10) },
  };
  const impressions = Object.fromEntries(axes.finding.values.map((finding) => [finding, named(`${finding}: `, 50)]));
  const dataset = parseDataset({
    apiVersion: 'cohortfarm.dev/v1alpha1',
    kind: 'SyntheticDataset',
    metadata: { name: 'bench' },
    spec: {
      quota: { samples, axes },
      prompt: { impressions },
      model: { uri: 'none' },
      output: { uri: 'none', shard: { samples: SHARD } },
    },
  });
  const model = { digest: '0'.repeat(64), defaults: { scheduler: 'PNDM', height: 512, width: 512 } };
  return makePlan(dataset, { model, gateDigests: [] });
}

/** Median milliseconds of an action that gets its round, after a warm-up. */
function milliseconds(action: (round: number) => unknown): number {
  const times: number[] = [];
  for (let round = -5; round < ROUNDS; round++) {
    const begin = performance.now();
    action(round);
    if (round >= 0) times.push(performance.now() - begin);
  }
  return Number(median(times).toFixed(2));
}

/** Times of planning and of a shard's look-up, and what a plan holds, for each size. */
export function measurePlanning(): Figure[] {
  return SIZES.flatMap(([size, samples]) => {
    const made = plan(samples);
    const lookUp = (round: number): unknown => {
      const { start, end } = shardRange(made, ((round + 5) * 7919) % made.shards);
      return samplesBetween(made, start, end);
    };
    return [
      { name: `plan ${size} samples over 2,000 cells`, value: milliseconds(() => plan(samples)), unit: 'ms' },
      { name: `samples of a shard of ${SHARD} of ${size}`, value: milliseconds(lookUp), unit: 'ms' },
      { name: `plan of ${size} samples as JSON`, value: Math.round(JSON.stringify(made).length / 1024), unit: 'KiB' },
    ];
  });
}

if (import.meta.main) for (const figure of measurePlanning()) console.log(JSON.stringify(figure));
