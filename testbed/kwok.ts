import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlPlane } from './servers/control-plane.ts';
import { goModuleFolder } from './servers/go-files.ts';
import { type ServerProcess, startOnFreePort } from './servers/process.ts';
import { type GoTool, goTool } from './servers/tools.ts';

/** KWOK: nodes and pods that exist in the API server alone, for scale. Pods run until they are deleted. */

export const KWOK: GoTool = {
  module: 'kwok',
  versionOf: 'sigs.k8s.io/kwok',
  package: 'sigs.k8s.io/kwok/cmd/kwok',
  name: 'kwok',
};

/** Stages of KWOK's own; `pod-complete`, which would end every pod of a Job at once, is left out. */
const STAGES = [
  'node/fast/node-initialize.yaml',
  'node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
  'pod/fast/pod-ready.yaml',
  'pod/fast/pod-delete.yaml',
];

const ANNOTATION = 'kwok.x-k8s.io/node';
/** One stage at a time would be the bottleneck. */
const OPTIONS = {
  apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
  kind: 'KwokConfiguration',
  options: {
    podPlayStageParallelism: 16,
    nodePlayStageParallelism: 4,
    nodeLeaseParallelism: 4,
    nodeLeaseDurationSeconds: 40,
  },
};

/** Starts KWOK with so many nodes, each for as many pods as come, on a control plane with controllers. */
export async function startKwok(plane: ControlPlane, nodes: number): Promise<ServerProcess> {
  const command = await goTool(KWOK);
  const stages = join(await goModuleFolder({ folder: 'kwok', module: KWOK.versionOf }), 'kustomize/stage');
  const home = await mkdtemp(join(tmpdir(), 'cohortfarm-kwok-'));
  const options = join(home, 'options.json');
  await writeFile(options, JSON.stringify(OPTIONS));
  const { server } = await startOnFreePort((port) => ({
    command,
    args: [
      `--kubeconfig=${plane.kubeconfig}`,
      `--config=${options}`,
      ...STAGES.map((file) => `--config=${join(stages, file)}`),
      `--manage-nodes-with-annotation-selector=${ANNOTATION}=fake`,
      `--server-address=127.0.0.1:${port}`,
    ],
    env: { ...process.env, HOME: home },
    isReady: async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok,
  }));
  for (let from = 0; from < nodes; from += 100) {
    await plane.apply(...Array.from({ length: Math.min(100, nodes - from) }, (_, i) => nodeOf(`kwok-${from + i}`)));
  }
  return {
    ...server,
    stop: async () => {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

const nodeOf = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, annotations: { [ANNOTATION]: 'fake' }, labels: { 'kubernetes.io/hostname': name } },
});
