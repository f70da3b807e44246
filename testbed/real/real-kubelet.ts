import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ControlPlane } from '../servers/control-plane.ts';
import { callApi, MERGE } from '../servers/control-plane-client.ts';
import { kubernetesTool } from '../servers/control-plane-tools.ts';
import { freePort, type ServerProcess, serverFolder, startServer } from '../servers/process.ts';
import { goTool } from '../servers/tools.ts';
import { makeCgroup } from './cgroups.ts';
import { containerdConfig, kubeletArgs, kubeletConfig, NETWORK, NODE_NAME, PAUSE_IMAGE, socketOf } from './config.ts';
import { copyProgram, packImage } from './image.ts';
import { containerRuntime, type Runtime } from './packages.ts';

const run = promisify(execFile);

/** A node with the real kubelet and containerd. Its pods have to use the host's network. */
export interface RealKubelet {
  readonly nodeName: string;
  /** Makes the image of an OCI archive known to the node. */
  importImage(archive: string): Promise<void>;
  /** Ends it with all its containers, and takes the node away. */
  stop(): Promise<void>;
}

const READY_MS = 90_000;

/**
 * Starts it and waits until its node is ready, with so many `nvidia.com/gpu` that it counts and does not have.
 * All of it runs in a PID and mount namespace: when this process ends, so do the kubelet, containerd and every container.
 */
export async function startRealKubelet(plane: ControlPlane, gpus: number): Promise<RealKubelet> {
  const kubelet = await goTool(kubernetesTool('kubelet'));
  const runtime = await containerRuntime();
  const folder = await serverFolder('kubelet');
  const cgroup = await makeCgroup();
  let server: ServerProcess | undefined;
  const stop = async () => {
    await server?.kill();
    await callApi(plane, `/api/v1/nodes/${NODE_NAME}`, { method: 'DELETE' }).catch(() => undefined);
    await retry(() => cgroup.remove());
    await rm(folder, { recursive: true, force: true });
  };
  const importImage = async (archive: string) => {
    await run(runtime.ctr, ['--address', socketOf(folder), '--namespace', 'k8s.io', 'images', 'import', archive]);
  };
  try {
    await mkdir(join(folder, 'cni'));
    await writeFile(join(folder, 'cni/10-none.conflist'), JSON.stringify(NETWORK));
    await writeFile(join(folder, 'containerd.toml'), containerdConfig(folder, runtime));
    const config = kubeletConfig(folder, await freePort(), `/${cgroup.name}`);
    await writeFile(join(folder, 'kubelet.json'), JSON.stringify(config));
    const script = nodeScript(folder, runtime, [kubelet, ...kubeletArgs(folder, plane.kubeconfig)]);
    server = await startServer({
      command: 'unshare',
      args: ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', script],
      isReady: async () =>
        (await run(runtime.ctr, ['--address', socketOf(folder), 'version'])).stdout.includes('Server'),
    });
    await importImage(await pauseImage(folder));
    await writeFile(join(folder, 'go'), '');
    await nodeIsReady(plane, folder);
    await giveGpus(plane, gpus);
    return { nodeName: NODE_NAME, importImage, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Starts containerd, and the kubelet once the images are loaded. */
function nodeScript(folder: string, { programs, containerd }: Runtime, kubelet: readonly string[]): string {
  return `
    set -e
    cd ${quote(folder)}
    export PATH=${quote(programs)}:"$PATH"
    # Volumes of pods are mounted after their containers' parents.
    mount --make-rshared /
    mount -t tmpfs tmpfs /run
    ${quote(containerd)} --config containerd.toml >containerd.log 2>&1 &
    until [ -e go ]; do sleep 0.05; done
    ${kubelet.map(quote).join(' ')} >kubelet.log 2>&1 &
    wait`;
}

/** The image of the process that holds a pod's namespaces: it sleeps. */
async function pauseImage(folder: string): Promise<string> {
  const root = join(folder, 'pause');
  await mkdir(root);
  await copyProgram(root, '/bin/sleep', '/pause');
  const archive = join(folder, 'pause.tar');
  await packImage(archive, root, PAUSE_IMAGE, { Entrypoint: ['/pause', 'infinity'] });
  return archive;
}

interface NodeObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; message: string }[];
  };
}

/** @throws Error with what the node and the kubelet say when it does not become ready */
async function nodeIsReady(plane: ControlPlane, folder: string): Promise<void> {
  let last = 'it never registered';
  for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await sleep(100)) {
    const { body } = await callApi<NodeObject>(plane, `/api/v1/nodes/${NODE_NAME}`);
    const ready = body.status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status === 'True') return;
    last = ready?.message ?? last;
  }
  const { stdout } = await run('tail', ['-n', '30', join(folder, 'kubelet.log'), join(folder, 'containerd.log')]);
  throw new Error(`the node is not ready after ${READY_MS} ms: ${last}\n${stdout}`);
}

async function giveGpus(plane: ControlPlane, gpus: number): Promise<void> {
  const body = { status: { capacity: { 'nvidia.com/gpu': String(gpus) } } };
  const path = `/api/v1/nodes/${NODE_NAME}/status`;
  const { code } = await callApi(plane, path, { method: 'PATCH', contentType: MERGE, body });
  if (code !== 200) throw new Error(`cannot give the node GPUs: ${code}`);
}

/** Processes that were killed leave their group a moment later. */
async function retry(attempt: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 20) throw error;
      await sleep(100);
    }
  }
}
