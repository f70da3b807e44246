import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Access, callApi } from './control-plane-client.ts';
import { etcdTool, kubernetesTool } from './control-plane-tools.ts';
import { type ServerProcess, type ServerStart, serverFolder, startOnFreePort } from './process.ts';
import { goTool } from './tools.ts';

const run = promisify(execFile);

/** A real Kubernetes API server and its etcd on the loopback address, with its data in a temporary folder. */
export interface ControlPlane extends Access {
  /** File for KUBECONFIG, with the rights of an administrator. */
  readonly kubeconfig: string;
  /** Runs kubectl and returns what it prints; rejects with its complaint. */
  kubectl(...args: string[]): Promise<string>;
  /** Ends the servers and removes their data. */
  stop(): Promise<void>;
}

/** Starts etcd and kube-apiserver, built on the first call. They and their data do not outlive this process for long. */
export async function startControlPlane(): Promise<ControlPlane> {
  // One after the other: a build takes all cores and much memory.
  const tools = {
    etcd: await goTool(etcdTool),
    apiServer: await goTool(kubernetesTool('kube-apiserver')),
    kubectl: await goTool(kubernetesTool('kubectl')),
  };
  const folder = await serverFolder('control-plane');
  const servers: ServerProcess[] = [];
  const stop = async () => {
    // Nobody misses what a server could still write down.
    for (const server of servers.reverse()) await server.kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const etcd = await startOnFreePort((port) => etcdStart(tools.etcd, folder, port));
    servers.push(etcd.server);
    const keys = await writeKeys(folder);
    const api = await startOnFreePort((port) => apiServerStart(tools.apiServer, keys, etcd.port, port));
    servers.push(api.server);
    const access = await accessOf(keys, api.port);
    const kubeconfig = await writeKubeconfig(folder, access);
    const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder };
    const kubectl = async (...args: string[]) => (await run(tools.kubectl, args, { env })).stdout;
    return { ...access, kubeconfig, kubectl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function etcdStart(command: string, folder: string, port: number): ServerStart {
  const url = `http://127.0.0.1:${port}`;
  const args = [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    '--listen-peer-urls=http://127.0.0.1:0',
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
  return { command, args, isReady: async () => (await fetch(`${url}/readyz`)).ok };
}

/** What the API server proves itself and others with. */
interface Keys {
  /** Where it writes its own certificate. */
  readonly certificates: string;
  readonly token: string;
  readonly tokens: string;
  readonly signing: string;
  readonly verifying: string;
}

async function writeKeys(folder: string): Promise<Keys> {
  const keys: Keys = {
    certificates: join(folder, 'certificates'),
    token: randomBytes(20).toString('hex'),
    tokens: join(folder, 'tokens.csv'),
    signing: join(folder, 'service-accounts.key'),
    verifying: join(folder, 'service-accounts.pub'),
  };
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await mkdir(keys.certificates);
  await writeFile(keys.signing, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  await writeFile(keys.verifying, pair.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(keys.tokens, `${keys.token},admin,admin,system:masters\n`, { mode: 0o600 });
  return keys;
}

function apiServerStart(command: string, keys: Keys, etcdPort: number, port: number): ServerStart {
  const args = [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${keys.certificates}`,
    '--endpoint-reconciler-type=none',
    '--service-cluster-ip-range=10.0.0.0/16',
    '--authorization-mode=RBAC',
    '--allow-privileged',
    `--token-auth-file=${keys.tokens}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${keys.signing}`,
    `--service-account-key-file=${keys.verifying}`,
    '--kubelet-preferred-address-types=Hostname,InternalIP',
  ];
  // The namespace comes a moment after the server says that it is ready.
  const isReady = async () => {
    const access = await accessOf(keys, port);
    const answers = ['/readyz', '/api/v1/namespaces/default'].map((path) => callApi(access, path));
    return (await Promise.all(answers)).every(({ code }) => code === 200);
  };
  return { command, args, isReady };
}

/** The server signs its own certificate, and writes it down before it listens. */
async function accessOf(keys: Keys, port: number): Promise<Access> {
  const ca = await readFile(join(keys.certificates, 'apiserver.crt'), 'utf8');
  return { url: `https://127.0.0.1:${port}`, ca, token: keys.token };
}

async function writeKubeconfig(folder: string, { url, ca, token }: Access): Promise<string> {
  const path = join(folder, 'kubeconfig');
  const name = 'test';
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
    'current-context': name,
  };
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}
