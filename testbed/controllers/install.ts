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

/** Installs controllers of other projects by their own manifests, and runs them. */

/** A controller, and the Go module that holds its program and its manifests. */
export interface Part extends Omit<ControllerSpec, 'command'> {
  readonly tool: GoTool;
  /** Folders of manifests in its module. */
  readonly manifests: readonly string[];
}

/** Installs and starts controllers one after another; returns what stops them. Needs root, for networks. */
export async function startParts(plane: ControlPlane, parts: readonly Part[]): Promise<() => Promise<void>> {
  const networks: ControllerNetwork[] = [];
  const servers: ServerProcess[] = [];
  const stop = async () => {
    for (const server of servers.reverse()) await server.kill();
    for (const network of networks) await network.close();
  };
  try {
    for (const part of parts) {
      const network = await openNetwork({ ...part, command: await goTool(part.tool) });
      networks.push(network);
      await install(plane, part, network.webhookPort);
      servers.push(await network.start(plane));
    }
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Kinds that need a network between pods: what they would start runs here, or is not needed. */
const LEFT_OUT = new Set(['Deployment', 'APIService']);

async function install(plane: ControlPlane, part: Part, webhookPort: number): Promise<void> {
  const rendered = (await kustomize(plane, part)).filter(({ kind }) => !LEFT_OUT.has(kind));
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
  readonly webhooks?: readonly { readonly clientConfig: ServiceConfig }[];
  /** Conversion of the objects of a CustomResourceDefinition between versions. */
  readonly spec?: { readonly conversion?: { readonly webhook?: { readonly clientConfig: ServiceConfig } } };
}

interface ServiceConfig {
  readonly service: object;
}

export const moduleOf = ({ tool }: Part): Promise<string> =>
  goModuleFolder({ folder: tool.module, module: tool.versionOf });

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
  const at = <T extends { readonly clientConfig: ServiceConfig }>(webhook: T): T => ({
    ...webhook,
    clientConfig: { service: { ...webhook.clientConfig.service, port } },
  });
  if (object.webhooks) return { ...object, webhooks: object.webhooks.map(at) };
  const conversion = object.spec?.conversion;
  if (!conversion?.webhook) return object;
  return { ...object, spec: { ...object.spec, conversion: { ...conversion, webhook: at(conversion.webhook) } } };
}
