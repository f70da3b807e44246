import { addRejected, Tallies } from '../../contract/account/tally.ts';
import { canonicalJson } from '../../contract/digest.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { ShardRecord } from '../../contract/schema/record.ts';
import { checkShard, DatasetError } from '../publish/records.ts';
import { contentOf, type ShardSample } from '../shard/read.ts';
import type { IndexRows } from './index.ts';
import type { TrainingImages } from './novelty.ts';
import { pairFaults } from './pairs.ts';
import type { Rebuilt } from './rebuild.ts';
import { imageFaults, recordFaults } from './sample.ts';

/** Requirements on a shard beyond those of publishing: every sample is what the plan says it is. */

export interface Published {
  readonly manifest: Manifest;
  readonly rebuilt: Rebuilt;
  readonly index: IndexRows;
  /** Those of the reference that the plan names, where it is given. */
  readonly training: TrainingImages | null;
}

export interface ShardFindings {
  readonly faults: readonly string[];
  /** None where the shard is not what its record says. */
  readonly samples: readonly ShardSample[];
}

/** Checks one shard's bytes, samples and counts. `firstRow` is the row of the index at which the shard begins. */
export async function verifyShard(
  bytes: Uint8Array | null,
  record: ShardRecord,
  firstRow: number,
  published: Published,
): Promise<ShardFindings> {
  let samples: ShardSample[];
  try {
    samples = checkShard(bytes, record);
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    return { faults: [error.message.slice(record.key.length + 1)], samples: [] };
  }
  const { origin } = published.rebuilt.plan;
  if (record.start < origin.index || record.end > origin.index + published.rebuilt.samples) {
    const range = `${origin.index} to ${origin.index + published.rebuilt.samples}`;
    return { faults: [`covers samples ${record.start} to ${record.end}, the plan has ${range}`], samples: [] };
  }
  const exhausted = new Set(record.exhausted);
  const expected = published.rebuilt
    .samplesBetween(record.start, record.end)
    .filter(({ index }) => !exhausted.has(index));
  const faults = await published.index.faults(firstRow, record.key, samples);
  for (const [i, sample] of samples.entries()) {
    const text = Buffer.from(contentOf(bytes!, sample.text)).toString();
    const found = [
      ...recordFaults(sample.record, text, expected[i]!, published.manifest, published.rebuilt),
      ...(await imageFaults(contentOf(bytes!, sample.image), published.manifest)),
    ];
    faults.push(...found.map((fault) => `sample ${sample.key}: ${fault}`));
  }
  faults.push(...pairFaults(samples, published.rebuilt), ...countFaults(record, samples, published.rebuilt.plan));
  return { faults, samples };
}

/**
 * The record's counts against those of its samples. An exhausted sample has used up all its attempts; which gates rejected
 * them is in the record alone.
 */
function countFaults(record: ShardRecord, samples: readonly ShardSample[], { spec }: Rebuilt['plan']): string[] {
  const recount = new Tallies<string>();
  for (const { record: sample } of samples) {
    const tally = recount.at(sample.cell);
    tally.attempts += sample.rejected.length + 1;
    for (const { gate } of sample.rejected) addRejected(tally, gate);
  }
  return record.cells.flatMap(({ cell, exhausted, attempts, rejected }) => {
    const found = recount.get(cell);
    const expected = (found?.attempts ?? 0) + exhausted * spec.quality.maxAttempts;
    const faults =
      attempts === expected ? [] : [`the record claims ${attempts} attempts in cell ${cell}, the samples ${expected}`];
    const isSame = canonicalJson(rejected) === canonicalJson(Object.fromEntries(found?.rejected ?? []));
    if (exhausted === 0 && !isSame)
      faults.push(`the record claims other rejections in cell ${cell} than its samples: ${canonicalJson(rejected)}`);
    return faults;
  });
}
