import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { ContainerStart } from './containers.ts';
import type { Keys } from './control-plane-keys.ts';
import { answers, monitorFlags, NO_HURRY, TOLERATIONS } from './control-plane-servers.ts';

const IMAGE = 'rancher/k3s:v1.36.3-k3s1';

interface K3s {
  readonly keys: Keys;
  readonly folder: string;
  readonly controllers: boolean;
  readonly nodeGraceSeconds: number;
}

/** A whole control plane in one container, without k3s's own node: tests bring theirs. Never run, see containers.ts. */
export function k3sStart({ keys, folder, controllers, nodeGraceSeconds }: K3s, port: number): ContainerStart {
  const args = [
    'server',
    '--disable-agent',
    '--bind-address=127.0.0.1',
    `--https-listen-port=${port}`,
    '--disable=coredns,servicelb,traefik,local-storage,metrics-server',
    '--disable-cloud-controller',
    '--disable-helm-controller',
    '--disable-network-policy',
    '--egress-selector-mode=disabled',
    ...settingsOf('apiserver', [`--token-auth-file=${keys.tokens}`, ...TOLERATIONS]),
    ...(controllers
      ? [
          ...settingsOf('controller-manager', ['--secure-port=0', ...monitorFlags(nodeGraceSeconds), ...NO_HURRY]),
          ...settingsOf('scheduler', ['--secure-port=0', ...NO_HURRY]),
        ]
      : ['--disable-controller-manager', '--disable-scheduler']),
  ];
  const paths = ['/readyz', '/api/v1/namespaces/default'];
  if (controllers) paths.push('/api/v1/namespaces/default/serviceaccounts/default');
  const isReady = async () => {
    await writeFile(keys.certificate, await authorityOf(port));
    return answers(keys, port, ...paths);
  };
  return { image: IMAGE, args, folder, privileged: true, isReady };
}

/** Flags of a Kubernetes program as k3s passes them on. */
const settingsOf = (program: string, flags: readonly string[]): string[] =>
  flags.map((flag) => `--kube-${program}-arg=${flag.replace(/^--/, '')}`);

/** PEM of the authority that k3s made for itself, which it tells to anybody. */
async function authorityOf(port: number): Promise<string> {
  const outgoing = request(`https://127.0.0.1:${port}/cacerts`, { rejectUnauthorized: false, agent: false }).end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  return text(incoming);
}
