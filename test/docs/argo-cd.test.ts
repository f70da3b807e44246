import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { decide } from '../../operator/decide/decide.ts';
import type { Observed } from '../../operator/observed.ts';
import { nextStatus } from '../../operator/status.ts';
import { lua } from '../../testbed/servers/lua.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { smallDataset } from '../support/dataset.ts';
import { DIGEST, jobOf, OWNER, observed, SETTINGS, waitingPod } from '../support/observed.ts';
import { blocksOf } from './blocks.ts';

/** The health check for Argo CD in docs/operations.md, on statuses that the operator writes. */

const run = promisify(execFile);

/** A Lua value of what is plain JSON. */
function literal(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `{${value.map(literal).join(', ')}}`;
  if (typeof value !== 'object' || value === null) return value === undefined ? 'nil' : String(value);
  return `{${Object.entries(value)
    .map(([key, one]) => `[${literal(key)}] = ${literal(one)}`)
    .join(', ')}}`;
}

async function healthOf(object: object): Promise<string> {
  const [check] = await blocksOf('docs/operations.md', 'lua', 1);
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-lua-'));
  try {
    const file = join(folder, 'health.lua');
    const call = 'local health = check()\nprint(health.status .. ": " .. health.message)';
    await writeFile(file, `obj = ${literal(object)}\nlocal function check()\n${check}\nend\n${call}\n`);
    return (await run(await lua(), [file])).stdout.trim();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The resource, with the status that an observation makes. */
const resourceOf = (given: Observed, generation = OWNER.generation) => ({
  metadata: { name: 'small', generation },
  status: nextStatus(given, decide(given, SETTINGS)),
});

const manifest = { uri: 's3://c/small/dataset.json', sha256: DIGEST };
const samples = { wanted: 24, accepted: 24, exhausted: 0, attempts: 30 };
const published = observed({ status: { planDigest: DIGEST, manifest, samples } });
const stuck = jobOf('workers', { ready: 0 });
const pods = { waiting: [waitingPod(stuck)], failed: [], succeeded: [], present: 0 };
const suspended = smallDataset((spec) => {
  spec.suspend = true;
});

describe('the health check for Argo CD', { skip: await missingForServers() }, () => {
  const cases: readonly [string, object, RegExp][] = [
    ['no status', { metadata: { generation: 1 } }, /^Progressing: The operator has not seen/],
    ['the status of an older spec', resourceOf(published, 2), /^Progressing: The operator has not seen/],
    ['work under way', resourceOf(observed()), /^Progressing: Workers of round 1 are being started$/],
    [
      'pods that no node can take',
      resourceOf(observed({ jobs: [stuck], pods })),
      /^Degraded: Unschedulable: Pod small-/,
    ],
    [
      'a suspension',
      resourceOf(observed({ parsed: { dataset: suspended } })),
      /^Suspended: Suspended; set spec\.suspend/,
    ],
    ['a published dataset', resourceOf(published), /^Healthy: 24 images are published: s3:/],
  ];
  for (const [what, object, expected] of cases) {
    it(`reads ${what}`, async () => assert.match(await healthOf(object), expected));
  }
});
