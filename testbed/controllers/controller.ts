import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../replica.ts';
import type { ControlPlane } from '../servers/control-plane.ts';
import { type Access, callApi } from '../servers/control-plane-client.ts';
import { type ServerProcess, serverFolder, startServer } from '../servers/process.ts';
import { forward, type Place } from './forward.ts';

/**
 * Runs a controller as its Deployment would: with the rights of its service account, the certificates of its Secret where it
 * looks for them, and a network of its own, because it listens on all addresses and on ports that others may have.
 */
export interface ControllerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The controller makes its certificates itself and puts them there. */
  readonly secret: string;
}

export interface ControllerNetwork {
  /** The address of the controller's webhooks on this machine. */
  readonly webhookPort: number;
  /** @throws Error when the controller is not ready in time */
  start(plane: ControlPlane): Promise<ServerProcess>;
  close(): Promise<void>;
}

/** A message of every controller that uses controller-runtime. */
const WEBHOOK_PORT = 9443;
const PROBE_PORT = 8081;
const CERTIFICATES = '/tmp/k8s-webhook-server/serving-certs';
const FORWARD = fileURLToPath(new URL('forward.ts', import.meta.url));

/** Its webhooks' port is known before it starts: what is registered with the API server names it. */
export async function openNetwork(spec: ControllerSpec): Promise<ControllerNetwork> {
  const folder = await serverFolder(spec.name);
  const certificates = join(folder, 'certificates');
  await mkdir(certificates);
  const [api, webhook, probe] = ['api', 'webhook', 'probe'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const servers: Server[] = [await forward(0, webhook)];
  return {
    webhookPort: (servers[0]!.address() as AddressInfo).port,
    async start(plane) {
      const apiPort = Number(new URL(plane.url).port);
      servers.push(await forward(api, apiPort));
      const access = await plane.serviceAccount(spec.namespace, spec.serviceAccount);
      const kubeconfig = await plane.writeKubeconfig(spec.name, access);
      const within = script(certificates, [apiPort, api, webhook, WEBHOOK_PORT, probe, PROBE_PORT], probe);
      const [server] = await Promise.all([
        startServer({
          command: 'unshare',
          args: ['--net', '--mount', 'sh', '-c', within, spec.command, ...spec.args],
          env: { PATH: process.env.PATH, HOME: folder, KUBECONFIG: kubeconfig },
          isReady: () => isReady(probe),
        }),
        mountSecret(plane, spec, certificates),
      ]);
      return server;
    },
    async close() {
      for (const server of servers) server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * Becomes the controller; what carries its connections ends with it.
 * @param forwards pairs of where connections come from and go to
 * @param last the socket that is opened after all others
 */
function script(certificates: string, forwards: readonly Place[], last: string): string {
  const words = [process.execPath, FORWARD, ...forwards.map(String)].map(quote).join(' ');
  return `
    set -e
    ip link set lo up
    mkdir -p ${CERTIFICATES}
    mount --bind ${quote(certificates)} ${CERTIFICATES}
    setpriv --pdeathsig KILL ${words} &
    until [ -S ${quote(last)} ]; do sleep 0.02; done
    exec "$0" "$@"`;
}

/** Puts what the controller writes into its Secret into its folder, as a kubelet does. */
async function mountSecret(access: Access, { namespace, secret }: ControllerSpec, folder: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/secrets/${secret}`;
  const data = await until(`${namespace}/${secret} holds certificates`, async () => {
    const { body } = await callApi<{ data?: Readonly<Record<string, string>> }>(access, path);
    return body.data?.['tls.crt'] ? body.data : null;
  });
  for (const [name, value] of Object.entries(data)) {
    await writeFile(join(folder, `.${name}`), Buffer.from(value, 'base64'), { mode: 0o600 });
    // Whole files only: the controller looks at any time.
    await rename(join(folder, `.${name}`), join(folder, name));
  }
}

function isReady(socketPath: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const asked = request({ socketPath, path: '/readyz', timeout: 2000 }, (answer) => {
    answer.resume();
    resolve(answer.statusCode === 200);
  });
  asked.on('timeout', () => asked.destroy(new Error('no answer')));
  asked.on('error', reject).end();
  return promise;
}
