import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { missingForPods } from '../../testbed/available.ts';
import { type Rig, rigDataset, startRig, statusOf } from '../../testbed/rig.ts';
import { runCli } from '../support/cli.ts';
import { shardDigests } from '../support/demo.ts';
import { type ChaosRun, runChaos } from './chaos.ts';
import { storedShards } from './shards.ts';

/**
 * Workers, the leading operator, NATS, S3 and the API server are killed at random while a dataset grows, and it is the same
 * dataset. COHORTFARM_CHAOS_SEEDS sets how many runs, or which: `20`, or `3,7,11`.
 */

const seeds = seedsOf(process.env.COHORTFARM_CHAOS_SEEDS ?? '2');

function seedsOf(text: string): number[] {
  if (text.includes(',')) return text.split(',').map(Number);
  return Array.from({ length: Number(text) }, (_, i) => i + 1);
}

describe('chaos', { skip: await missingForPods() }, () => {
  let rig: Rig;
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-chaos-'));
    rig = await startRig({ operators: 2, nodes: [{ name: 'node-a' }, { name: 'node-b' }] });
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
      const run: ChaosRun = await runChaos(rig, { seed, kills: 8, pause: 2, patience: 240 });
      process.stdout.write(
        `# seed ${seed}: ${run.seconds.toFixed(0)} s; killed ${run.faults.join(' ')}; ${run.story.join(' -> ')}\n`,
      );
      assert.ok(run.faults.length >= 3, 'things were killed');
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
        missed.length <= run.faults.filter((fault) => fault === 'operator' || fault === 'apiServer').length,
        `${missed}`,
      );
      await rig.plane.kubectl('delete', 'sds', name, '--timeout=60s');
    });
  }
});
