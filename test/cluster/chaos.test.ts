import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { missingForPods } from '../../testbed/available.ts';
import { type Rig, rigDataset, startRig, statusOf } from '../../testbed/rig.ts';
import { seedsOf } from '../chaos/random.ts';
import { runCli } from '../support/cli.ts';
import { shardDigests } from '../support/demo.ts';
import { type ChaosRun, runChaos } from './chaos.ts';
import { failingOn } from './failing-node.ts';
import { storedShards } from './shards.ts';

/**
 * Workers, the leading operator, NATS, S3 and the API server are killed at random while a dataset grows, the disk of the S3 server
 * fills up, parts are damaged at rest, a node fails every pod, the API server answers 429 and 500; and it is the same dataset.
 * `SEEDS=100 node --test test/cluster/chaos.test.ts` runs a hundred seeds, a minute each; `SEEDS=3,7,11` runs these. With every
 * tenth seed the errors of the API server last a whole minute. What the store alone has to bear is tried much faster by test/chaos.
 */

const seeds = seedsOf(process.env.SEEDS ?? '2');
const LONG_ERRORS_SECONDS = 60;

describe('chaos', { skip: await missingForPods() }, () => {
  let rig: Rig;
  let dir: string;
  const badNodes = new Set<string>();

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-chaos-'));
    rig = await startRig({
      operators: 2,
      nodes: [{ name: 'node-a' }, { name: 'node-b' }],
      fragile: true,
      image: { env: failingOn((node) => node !== undefined && badNodes.has(node)) },
    });
  });
  after(async () => {
    await rig?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  /** The shards of a run in which nothing happens, on this machine alone. Their names, and so the plan, hold the dataset's. */
  async function quietShards(name: string): Promise<Record<string, string>> {
    const file = join(dir, `${name}.yaml`);
    await writeFile(file, stringify(await rigDataset(rig, name)));
    const output = join(dir, name);
    const { code, stderr } = await runCli(['run', '-f', file, '-o', output, '--workers', '2']);
    assert.equal(code, 0, stderr);
    const digests = Object.entries(await shardDigests(output)).map(([key, digest]) => [`shards/${key}`, digest]);
    return Object.fromEntries(digests);
  }

  for (const seed of seeds) {
    test(`seed ${seed}: the shards are those of a quiet run`, async () => {
      const name = `chaos-${seed}`;
      const quiet = await quietShards(name);
      const apiErrors = seed % 10 === 0 ? LONG_ERRORS_SECONDS : 0;
      const patience = 240 + apiErrors;
      const before = rig.refusingProxy!.refused;
      const run: ChaosRun = await runChaos(rig, { seed, kills: 8, pause: 2, patience, badNodes, apiErrors });
      const refused = rig.refusingProxy!.refused - before;
      process.stdout.write(
        `# seed ${seed}: ${run.seconds.toFixed(0)} s; ${run.faults.join(' ')}; ${refused} requests refused; ${run.story.join(' -> ')}\n`,
      );
      assert.ok(run.faults.length >= 3, 'something happened');
      assert.ok(apiErrors === 0 || refused > 0, 'the operators asked while the API server refused');
      assert.deepEqual(await storedShards(rig.s3, `s3://cohorts/${name}`), quiet);
      const { code, stderr } = await runCli(['verify', `s3://cohorts/${name}`], rig.s3.env);
      assert.equal(code, 0, stderr);
      const { samples } = await statusOf(rig, name);
      assert.deepEqual([samples?.wanted, samples?.accepted, samples?.exhausted], [48, 48, 0]);
      const events = await rig.plane.kubectl('get', 'events', `--field-selector=involvedObject.name=${name}`);
      // An operator that is killed between an action and its Event never writes that one; the others suffice.
      const told = [
        'JobApplied',
        'Planned',
        'QueueFilled',
        'Generating',
        'Generated',
        'Publishing',
        'Published',
        'Complete',
      ];
      const missed = told.filter((reason) => !events.includes(reason));
      assert.ok(
        missed.length <= run.faults.filter((fault) => ['operator', 'apiServer', 'apiErrors'].includes(fault)).length,
        `${missed}`,
      );
      await rig.plane.kubectl('delete', 'sds', name, '--timeout=60s');
    });
  }
});
