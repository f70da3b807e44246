import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Access, callApi } from './control-plane-client.ts';
import { accessOf, writeKeys, writeKubeconfig } from './control-plane-keys.ts';
import { apiServerStart, controllerManagerStart, etcdStart, schedulerStart } from './control-plane-servers.ts';
import { etcdTool, kubernetesTool } from './control-plane-tools.ts';
import { type ServerProcess, serverFolder, startOnFreePort } from './process.ts';
import { goTool } from './tools.ts';

/** A real Kubernetes API server and its etcd on the loopback address, with its data in a temporary folder. */
export interface ControlPlane extends Access {
  /** File for KUBECONFIG, with the rights of an administrator. */
  readonly kubeconfig: string;
  /** The API server alone, to be killed, restarted or held; its address and its data stay. */
  readonly apiServer: ServerProcess;
  /** Files of the API server's certificate and its key. */
  readonly certificate: string;
  readonly certificateKey: string;
  /** Runs kubectl and returns what it prints; rejects with its complaint. */
  kubectl(...args: string[]): Promise<string>;
  /** Applies objects as `kubectl apply --server-side` does. */
  apply(...objects: object[]): Promise<string>;
  /** Access with the rights of a service account, for an hour. */
  serviceAccount(namespace: string, name: string): Promise<Access>;
  /** Writes a file for KUBECONFIG that lives as long as the servers; returns its path. */
  writeKubeconfig(name: string, access: Access): Promise<string>;
  /** Ends the servers and removes their data. */
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /** Whether kube-controller-manager and kube-scheduler run, too: without them no Job gets a pod. */
  readonly controllers?: boolean;
  /** Seconds of silence after which a node counts as lost. */
  readonly nodeGraceSeconds?: number;
}

/**
 * Starts etcd and kube-apiserver, built on the first call. They and their data do not outlive this process for long.
 */
export async function startControlPlane({
  controllers = false,
  nodeGraceSeconds = 40,
}: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const tools = await toolsOf(controllers);
  const kubectl = await goTool(kubernetesTool('kubectl'));
  const folder = await serverFolder('control-plane');
  const servers: ServerProcess[] = [];
  const stop = async () => {
    // A final flush of the servers is not needed.
    for (const server of servers.reverse()) await server.kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const keys = await writeKeys(folder);
    const etcd = await startOnFreePort((port) => etcdStart(tools.etcd, folder, port));
    servers.push(etcd.server);
    const api = await startOnFreePort((port) => apiServerStart(tools.apiServer, keys, etcd.port, port));
    servers.push(api.server);
    const access = await accessOf(keys, api.port);
    const kubeconfig = await writeKubeconfig(join(folder, 'kubeconfig'), access);
    const base = { keys, kubeconfig, apiPort: api.port, nodeGraceSeconds };
    const { controllerManager, scheduler } = tools;
    const starts = [
      ...(controllerManager
        ? [startOnFreePort((port) => controllerManagerStart({ command: controllerManager, ...base }, port))]
        : []),
      ...(scheduler ? [startOnFreePort((port) => schedulerStart({ command: scheduler, ...base }, port))] : []),
    ];
    for (const { server } of await Promise.all(starts)) servers.push(server);
    return {
      ...access,
      kubeconfig,
      apiServer: api.server,
      certificate: keys.certificate,
      certificateKey: keys.certificateKey,
      kubectl: (...args) => runKubectl(kubectl, kubeconfig, folder, args),
      apply: (...items) => {
        const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
        return runKubectl(kubectl, kubeconfig, folder, ['apply', '--server-side', '-f', '-'], list);
      },
      serviceAccount: (namespace, name) => serviceAccountAccess(access, namespace, name),
      writeKubeconfig: (name, access) => writeKubeconfig(join(folder, `kubeconfig-${name}`), access),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Tools {
  readonly etcd: string;
  readonly apiServer: string;
  readonly controllerManager?: string;
  readonly scheduler?: string;
}

/** One after the other: a build takes all cores and much memory. */
async function toolsOf(controllers: boolean): Promise<Tools> {
  const tools = {
    etcd: await goTool(etcdTool),
    apiServer: await goTool(kubernetesTool('kube-apiserver')),
  };
  if (!controllers) return tools;
  const controllerManager = await goTool(kubernetesTool('kube-controller-manager'));
  return { ...tools, controllerManager, scheduler: await goTool(kubernetesTool('kube-scheduler')) };
}

function runKubectl(command: string, kubeconfig: string, home: string, args: string[], input = ''): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: home };
  const child = execFile(command, args, { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout) =>
    error ? reject(error) : resolve(stdout),
  );
  // One that has ended before it read all says by its exit code why.
  child.stdin?.on('error', () => undefined).end(input);
  return promise;
}

async function serviceAccountAccess(access: Access, namespace: string, name: string): Promise<Access> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } };
  const answer = await callApi(access, path, { method: 'POST', body });
  const token = (answer.body.status as { token?: string } | undefined)?.token;
  if (token === undefined) throw new Error(`no token for ${namespace}/${name}: ${answer.code} ${answer.body.message}`);
  return { ...access, token };
}
