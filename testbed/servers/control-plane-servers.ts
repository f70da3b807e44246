import { join } from 'node:path';
import { callApi } from './control-plane-client.ts';
import { accessOf, type Keys } from './control-plane-keys.ts';
import type { ServerStart } from './process.ts';

/** The command line of each server of a control plane. */

export function etcdStart(command: string, folder: string, port: number): ServerStart {
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

/** Seconds after which pods leave a node that is lost. Clusters wait for 300; tests can't. */
const LEAVE_NODE_S = 2;

/** Settings of an API server. */
export const TOLERATIONS = [
  `--default-not-ready-toleration-seconds=${LEAVE_NODE_S}`,
  `--default-unreachable-toleration-seconds=${LEAVE_NODE_S}`,
];

export function apiServerStart(command: string, keys: Keys, etcdPort: number, port: number): ServerStart {
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
    ...TOLERATIONS,
  ];
  // The namespace comes a moment after the server says that it is ready.
  const isReady = () => answers(keys, port, '/readyz', '/api/v1/namespaces/default');
  return { command, args, isReady };
}

/** A server that works through the API server. */
interface Controller {
  readonly command: string;
  readonly keys: Keys;
  readonly kubeconfig: string;
  readonly apiPort: number;
  readonly nodeGraceSeconds: number;
}

/** Limits on requests that let a test of a thousand pods end soon. */
export const NO_HURRY = ['--kube-api-qps=500', '--kube-api-burst=1000'];

/** For a controller manager: seconds of silence after which a node is lost. */
export const monitorFlags = (graceSeconds: number): string[] => [
  `--node-monitor-grace-period=${graceSeconds}s`,
  '--node-monitor-period=1s',
];

export function controllerManagerStart(controller: Controller, port: number): ServerStart {
  const { command, keys, kubeconfig, apiPort, nodeGraceSeconds } = controller;
  const args = [
    ...controllerFlags(keys, kubeconfig, port),
    '--use-service-account-credentials',
    `--service-account-private-key-file=${keys.signing}`,
    `--root-ca-file=${keys.certificate}`,
    ...monitorFlags(nodeGraceSeconds),
  ];
  // Pods can't be made before their namespace has its service account.
  const isReady = async () =>
    (await answers(keys, port, '/healthz')) &&
    (await answers(keys, apiPort, '/api/v1/namespaces/default/serviceaccounts/default'));
  return { command, args, isReady };
}

export function schedulerStart({ command, keys, kubeconfig }: Controller, port: number): ServerStart {
  return { command, args: controllerFlags(keys, kubeconfig, port), isReady: () => answers(keys, port, '/readyz') };
}

function controllerFlags(keys: Keys, kubeconfig: string, port: number): string[] {
  const access = ['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'];
  return [
    ...access.map((flag) => `--${flag}=${kubeconfig}`),
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--tls-cert-file=${keys.certificate}`,
    `--tls-private-key-file=${keys.certificateKey}`,
    '--leader-elect=false',
    ...NO_HURRY,
  ];
}

export async function answers(keys: Keys, port: number, ...paths: string[]): Promise<boolean> {
  const access = await accessOf(keys, port);
  const answers = await Promise.all(paths.map((path) => callApi(access, path)));
  return answers.every(({ code }) => code === 200);
}
