import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { waitForDefinitions } from '../definitions.ts';
import type { ControlPlane } from '../servers/control-plane.ts';
import { goModuleFolder } from '../servers/go-files.ts';
import type { ServerProcess } from '../servers/process.ts';
import { type GoTool, goTool } from '../servers/tools.ts';
import { type ControllerNetwork, type ControllerSpec, openNetwork } from './controller.ts';

/** Kubeflow Trainer and the JobSet controller that it works through, as their own manifests install them. */

interface Part extends Omit<ControllerSpec, 'command'> {
  readonly tool: GoTool;
  /** Folders of manifests in its module. */
  readonly manifests: readonly string[];
}

const JOBSET: Part = {
  name: 'jobset',
  tool: { module: 'jobset', versionOf: 'sigs.k8s.io/jobset', package: 'sigs.k8s.io/jobset', name: 'jobset-controller' },
  args: ['--leader-elect=false'],
  manifests: ['config/default'],
  namespace: 'jobset-system',
  serviceAccount: 'jobset-controller-manager',
  secret: 'jobset-webhook-server-cert',
};

const TRAINER: Part = {
  name: 'trainer',
  tool: {
    module: 'trainer',
    versionOf: 'github.com/kubeflow/trainer/v2',
    package: 'github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager',
    name: 'trainer-controller-manager',
  },
  args: [],
  manifests: ['crds', 'manager', 'rbac', 'webhook'].map((name) => `manifests/base/${name}`),
  namespace: 'kubeflow-system',
  serviceAccount: 'kubeflow-trainer-controller-manager',
  secret: 'kubeflow-trainer-webhook-cert',
};

export interface Kubeflow {
  /** File of the runtime `torch-distributed` that it brings along. */
  readonly torchRuntime: string;
  stop(): Promise<void>;
}

/** Installs and starts both; resolves when TrainJobs can be made. Needs root, for networks. */
export async function startKubeflow(plane: ControlPlane): Promise<Kubeflow> {
  const networks: ControllerNetwork[] = [];
  const servers: ServerProcess[] = [];
  const stop = async () => {
    for (const server of servers.reverse()) await server.kill();
    for (const network of networks) await network.close();
  };
  try {
    for (const part of [JOBSET, TRAINER]) {
      const network = await openNetwork({ ...part, command: await goTool(part.tool) });
      networks.push(network);
      await install(plane, part, network.webhookPort);
      servers.push(await network.start(plane));
    }
    return { torchRuntime: join(await moduleOf(TRAINER), 'manifests/base/runtimes/torch_distributed.yaml'), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function install(plane: ControlPlane, part: Part, webhookPort: number): Promise<void> {
  const rendered = (await kustomize(plane, part)).filter(({ kind }) => kind !== 'Deployment');
  const { namespace, secret } = part;
  const own = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: secret, namespace } },
  ];
  const objects = rendered.map((object) => reachable(object, webhookPort));
  const isDefinition = ({ kind }: Manifest) => kind === 'CustomResourceDefinition';
  const definitions = objects.filter(isDefinition);
  await plane.apply(...own, ...objects.filter((object) => !isDefinition(object)), ...definitions);
  const names = definitions.map(({ metadata }) => `crd/${metadata.name}`);
  await waitForDefinitions(plane, ...names);
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly webhooks?: readonly { readonly clientConfig: { readonly service: object } }[];
}

const moduleOf = ({ tool }: Part): Promise<string> => goModuleFolder({ folder: tool.module, module: tool.versionOf });

async function kustomize(plane: ControlPlane, part: Part): Promise<Manifest[]> {
  const { manifests, namespace } = part;
  const module = await moduleOf(part);
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'cohortfarm-kustomize-')));
  try {
    const resources = manifests.map((path) => relative(folder, join(module, path)));
    await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify({ namespace, resources }));
    const documents = parseAllDocuments(await plane.kubectl('kustomize', folder));
    return documents.map((document) => document.toJS() as Manifest);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** There is no network between pods here: services lead to this machine, and webhooks to their controller's port. */
function reachable(object: Manifest, port: number): Manifest {
  if (object.kind === 'Service')
    return { ...object, spec: { type: 'ExternalName', externalName: '127.0.0.1' } } as Manifest;
  if (!object.webhooks) return object;
  const webhooks = object.webhooks.map((webhook) => ({
    ...webhook,
    clientConfig: { service: { ...webhook.clientConfig.service, port } },
  }));
  return { ...object, webhooks };
}
