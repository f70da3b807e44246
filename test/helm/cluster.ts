import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type ProcessKubelet, startProcessKubelet } from '../../testbed/kubelet/kubelet.ts';
import type { Pod } from '../../testbed/kubelet/types.ts';
import { type ControlPlane, startControlPlane } from '../../testbed/servers/control-plane.ts';
import { helm } from '../../testbed/servers/helm.ts';
import { natsTool } from '../../testbed/servers/nats.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { goTool } from '../../testbed/servers/tools.ts';
import { REPO } from '../support/cli.ts';

/**
 * An empty cluster in which Helm installs the chart: API server, controllers, scheduler, a kubelet that runs the chart's own
 * pods as processes, and a bucket. Pods have loopback addresses of their own instead of a network; a hosts file is used
 * for DNS and Services.
 */
export interface EmptyCluster {
  readonly plane: ControlPlane;
  readonly kubelet: ProcessKubelet;
  readonly s3: S3Server;
  /** Runs helm in the release's namespace. */
  helm(...args: string[]): Promise<string>;
  /** Arguments that fit the chart to a cluster without volumes and a network. */
  readonly values: readonly string[];
  stop(): Promise<void>;
}

export const RELEASE = 'cohortfarm';
export const SYSTEM = 'farm-system';

const COMPONENT = 'app.kubernetes.io/component';

/** @param system namespace of the release */
export async function startEmptyCluster(system: string = SYSTEM): Promise<EmptyCluster> {
  const nats = await goTool(natsTool);
  const [plane, s3] = await Promise.all([startControlPlane({ controllers: true }), startS3Server()]);
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-install-'));
  // Containers run as any user.
  await chmod(folder, 0o755);
  const addresses = await addressBook(join(folder, 'hosts'));
  const natsHost = addresses.next(`${RELEASE}-nats.${system}.svc`);
  // All pods share the network of this machine: the server has an address of its own.
  const server = `#!/bin/sh\nexec /opt/nats/${natsName(nats)} "$@" --addr ${natsHost}\n`;
  await writeFile(join(folder, 'nats-server'), server, { mode: 0o755 });
  const kubelet = await startProcessKubelet({
    access: plane,
    nodes: [{ name: 'node-a' }, { name: 'node-b' }],
    files: { '/etc/hosts': addresses.file, '/opt/nats': dirname(nats), '/opt/bin': folder },
    env: (pod) => {
      const path = '/opt/bin:/app/node_modules/.bin:/usr/local/bin:/usr/bin:/bin';
      if (isOf('operator', pod)) {
        return { PATH: path, COHORTFARM_HTTP_HOST: addresses.next(`${RELEASE}.${system}.svc`) };
      }
      // Containers of a pod have no loopback address of their own here.
      return isOf('nats', pod) ? { PATH: path, COHORTFARM_NATS_URL: `nats://${natsHost}:4222` } : { PATH: path };
    },
  });
  await plane.apply(restricted(system));
  return {
    plane,
    kubelet,
    s3,
    helm: (...args) => helm([...args, '--namespace', system], { KUBECONFIG: plane.kubeconfig }),
    values: ['--set', 'nats.persistence.enabled=false'],
    async stop() {
      await kubelet.stop();
      await Promise.all([plane.stop(), s3.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const natsName = (path: string): string => path.slice(dirname(path).length + 1);
const isOf = (component: string, { metadata }: Pod): boolean => metadata.labels?.[COMPONENT] === component;

/** A namespace as a careful administrator makes it. */
const restricted = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
});

/** Gives out loopback addresses, and writes the last one of each name into a hosts file. */
async function addressBook(file: string) {
  const names = new Map<string, string>();
  const [a, b] = [1 + Math.floor(Math.random() * 250), 1 + Math.floor(Math.random() * 250)];
  let last = 0;
  const system = await readFile('/etc/hosts', 'utf8');
  const write = () => writeFile(file, `${system}\n${[...names].map(([name, at]) => `${at} ${name}\n`).join('')}`);
  await write();
  return {
    file,
    next(name: string): string {
      const address = `127.${a}.${b}.${++last}`;
      names.set(name, address);
      void write();
      return address;
    },
  };
}

/** The first example with its bucket in the cluster's S3; nothing else is changed. */
export async function firstExample({ s3 }: Pick<EmptyCluster, 's3'>): Promise<string> {
  const text = await readFile(join(REPO, 'examples/first.yaml'), 'utf8');
  const named = text.replace(/# endpoint: \S+.*/, `endpoint: ${s3.options.endpoint}`);
  if (named === text) throw new Error('examples/first.yaml names no place for an endpoint');
  return named;
}
