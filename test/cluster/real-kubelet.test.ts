import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { missingForPods } from '../../testbed/available.ts';
import type { Pod } from '../../testbed/kubelet/types.ts';
import { makeAppImage } from '../../testbed/real/app-image.ts';
import { whyNoRealKubelet } from '../../testbed/real/possible.ts';
import { type RealKubelet, startRealKubelet } from '../../testbed/real/real-kubelet.ts';
import { isReady, type Rig, rigDataset, startRig, waitForReady } from '../../testbed/rig.ts';
import { runCli } from '../support/cli.ts';

/** The farm with the real kubelet: our image in real containers. Where that can't be, the process kubelet runs them. */

const GPUS = 2;

interface Status {
  readonly containerStatuses: readonly { readonly state: { readonly terminated?: Ended } }[];
}

interface Ended {
  readonly exitCode: number;
  readonly message?: string;
}

describe('our image on a real node', { skip: await missingForPods(), timeout: 600_000 }, () => {
  let folder: string;
  let rig: Rig;
  let node: RealKubelet | undefined;
  before(async () => {
    const why = await whyNoRealKubelet();
    if (why !== null)
      process.stderr.write(`no real kubelet on this machine, the process kubelet runs the pods: ${why}\n`);
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-real-'));
    rig = await startRig({ nodes: why === null ? [] : [{ name: 'stand-in', gpus: GPUS }] });
    if (why !== null) return;
    const archive = join(folder, 'app.tar');
    [node] = await Promise.all([startRealKubelet(rig.plane, GPUS), makeAppImage(archive)]);
    await node.importImage(archive);
  });
  after(async () => {
    await node?.stop();
    await rig?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('runs an Indexed Job, with more pods than GPUs, and says in each what it has to say', async () => {
    const spec = {
      hostNetwork: true,
      restartPolicy: 'Never',
      containers: [
        {
          name: 'main',
          image: 'cohortfarm:test',
          imagePullPolicy: 'Never',
          command: ['node', '/app/worker/pod/main.ts', 'work'],
          resources: { limits: { 'nvidia.com/gpu': 1 } },
          env: [{ name: 'COHORTFARM_OUTCOME_FILE', value: '/dev/termination-log' }],
        },
      ],
    };
    const job = {
      completions: 3,
      parallelism: 3,
      completionMode: 'Indexed',
      backoffLimit: 100,
      backoffLimitPerIndex: 0,
    };
    await rig.plane.apply({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'unconfigured' },
      spec: { ...job, template: { spec } },
    });
    // These pods have no settings: each has to fail with a message about that.
    await rig.plane.kubectl('wait', '--for=condition=Failed', 'job/unconfigured', '--timeout=120s');
    const list = await rig.plane.kubectl('get', 'pods', '-l', 'job-name=unconfigured', '-o', 'json');
    const pods = (JSON.parse(list) as { items: (Pod & { status: Status })[] }).items;
    assert.equal(pods.length, 3);
    for (const { status, spec } of pods) {
      const ended = status.containerStatuses[0]!.state.terminated!;
      assert.notEqual(ended.exitCode, 0);
      assert.equal(JSON.parse(ended.message!).reason, 'ConfigMissing');
      assert.equal(spec.nodeName, node?.nodeName ?? 'stand-in');
    }
  });

  it('grows a dataset for the operator, under the security settings that it gives its pods', async () => {
    const dataset = await rigDataset(rig, 'real', ({ spec }) => {
      Object.assign(spec.quota, { samples: 12, minPerCell: 0 });
      spec.model.executionProvider = 'cpu';
      Object.assign(spec.workers, { gpus: 1, podTemplate: { spec: { hostNetwork: true } } });
    });
    await rig.plane.apply(dataset);
    await waitForReady(rig, 'real', isReady, 180_000);
    const { code, stdout, stderr } = await runCli(['verify', 's3://cohorts/real'], rig.s3.env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Verified: 12 images in 2 shards/);
    if (node === undefined) return;
    // What a user reads first, through the API server from the node.
    const logs = await rig.plane.kubectl('logs', '-l', 'cohortfarm.dev/dataset=real', '--prefix', '--tail=-1');
    assert.match(logs, /committed/);
  });
});
