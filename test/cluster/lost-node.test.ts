import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missingForPods } from '../../testbed/available.ts';
import { until } from '../../testbed/replica.ts';
import {
  isReady,
  isReason,
  NAMESPACE,
  type Rig,
  rigDataset,
  startRig,
  statusOf,
  waitForReady,
} from '../../testbed/rig.ts';
import { runCli } from '../support/cli.ts';

/** A machine that goes away with the only worker of a dataset on it. */

const GRACE_SECONDS = 10;

describe('a dataset whose node is lost', { skip: await missingForPods() }, () => {
  let rig: Rig;
  before(async () => {
    rig = await startRig({ nodes: [{ name: 'node-a' }, { name: 'node-b' }], nodeGraceSeconds: GRACE_SECONDS });
  });
  after(() => rig?.stop());

  test('says so, and is grown to its end once the node is removed', async () => {
    await rig.plane.apply(
      await rigDataset(rig, 'lost', ({ spec }) => {
        spec.workers.replicas = 1;
        // Of a cluster's own five minutes a test does not wait.
        const tolerations = ['not-ready', 'unreachable'].map((name) => ({
          key: `node.kubernetes.io/${name}`,
          operator: 'Exists' as const,
          effect: 'NoExecute' as const,
          tolerationSeconds: 1,
        }));
        spec.workers.tolerations = tolerations;
      }),
    );
    const committed = async () => ((await statusOf(rig, 'lost')).shards?.committed ?? 0) > 0;
    await until('a shard is committed', committed, 60_000);
    const [pod] = rig.kubelet.running();
    const spec = JSON.parse(await rig.plane.kubectl('get', 'pod', pod!, '-n', NAMESPACE, '-o', 'json')).spec;
    const node = spec.nodeName as string;
    rig.kubelet.loseNode(node);
    rig.kubelet.kill(pod!);
    const { conditions } = await waitForReady(rig, 'lost', isReason('NodeLost'), 90_000);
    const ready = conditions?.find(({ type }) => type === 'Ready');
    assert.match(ready!.message, new RegExp(`${pod}.*kubectl delete node ${node}`));
    await rig.plane.kubectl('delete', 'node', node);
    // The cluster looks for pods without a node now and then.
    const { samples } = await waitForReady(rig, 'lost', isReady, 240_000);
    assert.equal(samples?.accepted, 48);
    const { code, stderr } = await runCli(['verify', 's3://cohorts/lost'], rig.s3.env);
    assert.equal(code, 0, stderr);
  });
});
