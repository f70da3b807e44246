import { sumTallies, tallyFault } from '../../contract/account/tally.ts';
import { sha256 } from '../../contract/digest.ts';
import { sampleKey } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import {
  type CellTally,
  type SampleRecord,
  type ShardRecord,
  sampleRecordSchema,
} from '../../contract/schema/record.ts';
import { listMembers, type Member } from '../shard/tar.ts';
import type { Rebuilt } from './rebuild.ts';
import { imageFaults, recordFaults } from './sample.ts';

/** What a shard must satisfy: its bytes, its members, and the counts that its record claims. */

export interface ShardFindings {
  readonly faults: readonly string[];
  /** Counted from the members themselves. */
  readonly tallies: readonly CellTally[];
}

/** Checks one shard's bytes against its record and the plan. */
export async function checkShard(
  bytes: Uint8Array,
  record: ShardRecord,
  manifest: Manifest,
  rebuilt: Rebuilt,
): Promise<ShardFindings> {
  const digest = sha256(bytes);
  if (digest !== record.sha256 || bytes.length !== record.bytes) {
    return {
      faults: [
        `SHA-256 is ${digest} (${bytes.length} bytes), the record says ${record.sha256} (${record.bytes} bytes)`,
      ],
      tallies: [],
    };
  }
  const faults: string[] = [];
  let members: Member[];
  try {
    members = listMembers(bytes);
  } catch (error) {
    return { faults: [(error as Error).message], tallies: [] };
  }
  const exhausted = new Set(record.exhausted);
  const expected = rebuilt.samplesBetween(record.start, record.end).filter(({ index }) => !exhausted.has(index));
  const names = expected.flatMap(({ key }) => [`${key}.${extensionOf(manifest)}`, `${key}.txt`, `${key}.json`]);
  const odd = names.findIndex((name, i) => members[i]?.name !== name);
  if (odd >= 0 || members.length !== names.length) {
    const at = odd >= 0 ? odd : names.length;
    return {
      faults: [`member ${at} is ${members[at]?.name ?? 'missing'}, not ${names[at] ?? 'the end'}`],
      tallies: [],
    };
  }
  const content = (i: number): Uint8Array => bytes.subarray(members[i]!.offset, members[i]!.offset + members[i]!.size);
  const tallies: CellTally[] = [];
  for (const [i, sample] of expected.entries()) {
    const parsed = parseRecord(content(3 * i + 2));
    if (typeof parsed === 'string') {
      faults.push(`sample ${sample.key}: ${parsed}`);
      continue;
    }
    const text = Buffer.from(content(3 * i + 1)).toString();
    const found = [
      ...recordFaults(parsed, text, sample, manifest, rebuilt),
      ...(await imageFaults(content(3 * i), manifest)),
    ];
    faults.push(...found.map((fault) => `sample ${sampleKey(sample.index)}: ${fault}`));
    tallies.push(tallyOf(parsed));
  }
  return { faults: [...faults, ...countFaults(record, sumTallies(tallies))], tallies };
}

export const extensionOf = (manifest: Manifest): string =>
  manifest.dataset.spec.output.image.format === 'jpeg' ? 'jpg' : 'png';

function parseRecord(bytes: Uint8Array): SampleRecord | string {
  try {
    const parsed = sampleRecordSchema.safeParse(JSON.parse(Buffer.from(bytes).toString()));
    if (parsed.success) return parsed.data;
    return `the .json member is not valid: ${parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`;
  } catch {
    return 'the .json member is no JSON';
  }
}

function tallyOf(record: SampleRecord): CellTally {
  const rejected: Record<string, number> = {};
  for (const { gate } of record.rejected) rejected[gate] = (rejected[gate] ?? 0) + 1;
  return { cell: record.cell, wanted: 1, accepted: 1, exhausted: 0, attempts: record.rejected.length + 1, rejected };
}

/** The record's counts against a recount; what exhausted samples were rejected by stands in the record alone. */
function countFaults(record: ShardRecord, recount: readonly CellTally[]): string[] {
  const byCell = new Map(recount.map((tally) => [tally.cell, tally]));
  return record.cells.flatMap((claimed) => {
    const fault = tallyFault(claimed);
    if (fault) return [`record: ${fault}`];
    const found = byCell.get(claimed.cell);
    if ((found?.accepted ?? 0) !== claimed.accepted) {
      return [
        `record: cell ${claimed.cell} claims ${claimed.accepted} accepted, the shard holds ${found?.accepted ?? 0}`,
      ];
    }
    const same = claimed.exhausted > 0 || found?.attempts === claimed.attempts;
    return same
      ? []
      : [`record: cell ${claimed.cell} claims ${claimed.attempts} attempts, its samples tell of ${found?.attempts}`];
  });
}
