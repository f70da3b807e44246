import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missingForPods } from '../../testbed/available.ts';
import { until } from '../../testbed/replica.ts';
import { isReady, isReason, type Rig, rigDataset, startRig, statusOf, waitForReady } from '../../testbed/rig.ts';
import { failingOn } from './failing-node.ts';

/** A5: a node that fails every pod costs its pods and no more. */

const BAD = 'node-bad';
const GOOD = 'node-good';

describe('a node that fails every pod', { skip: await missingForPods() }, () => {
  let rig: Rig;
  before(async () => {
    rig = await startRig({
      nodes: [
        { name: BAD, gpus: 1 },
        { name: GOOD, gpus: 1 },
      ],
      image: {
        env: failingOn((node) => node === BAD),
      },
    });
  });
  after(() => rig?.stop());

  /** One GPU for each worker: two of them need both nodes. */
  const apply = async (name: string, replicas: number) =>
    rig.plane.apply(
      await rigDataset(rig, name, ({ spec }) => {
        spec.model.executionProvider = 'cpu';
        spec.workers = { ...spec.workers, replicas, gpus: 1, probe: false };
      }),
    );
  const messageOf = async (name: string) =>
    (await statusOf(rig, name)).conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
  const jobsOf = (name: string) =>
    rig.plane.kubectl('get', 'jobs', '-l', `cohortfarm.dev/dataset=${name},cohortfarm.dev/role=workers`, '-o', 'name');

  test('is named, and the workers on other nodes go on in the same round', async () => {
    await apply('shared', 2);
    await until(
      'the node is named',
      async () =>
        /workers run; nodes node-bad cannot run workers \(ProviderUnavailable: .*driver/.test(
          await messageOf('shared'),
        ),
      60_000,
    );
    await waitForReady(rig, 'shared', isReady);
    assert.equal((await jobsOf('shared')).trim(), 'job.batch/shared-workers-1');
  });

  test('is kept away from in the next round, when it was the only one', async () => {
    await rig.plane.kubectl('cordon', GOOD);
    await apply('alone', 1);
    await waitForReady(rig, 'alone', isReason('ProviderUnavailable'), 60_000);
    assert.match(await messageOf('alone'), /^Node node-bad, pod alone-workers-1-0-\w+: cuda was requested/);
    await rig.plane.kubectl('uncordon', GOOD);
    await waitForReady(rig, 'alone', isReady);
    const job = JSON.parse(await rig.plane.kubectl('get', 'job', 'alone-workers-2', '-o', 'json'));
    assert.equal(job.metadata.annotations['cohortfarm.dev/avoided-nodes'], BAD);
  });
});
