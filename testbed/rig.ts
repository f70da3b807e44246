import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import type { Condition, DatasetStatus } from '../contract/schema/status.ts';
import { REPO } from '../test/support/cli.ts';
import { makeQueueKeys } from './authenticator.ts';
import { waitForDefinitions } from './definitions.ts';
import { type KubeletOptions, type ProcessKubelet, startProcessKubelet } from './kubelet/kubelet.ts';
import type { NodeSpec } from './kubelet/node.ts';
import { type Replica, startReplica, until } from './replica.ts';
import { type ControlPlane, startControlPlane } from './servers/control-plane.ts';
import { renderChart } from './servers/helm.ts';
import { type NatsServer, startNats } from './servers/nats.ts';
import { type RefusingProxy, startRefusingProxy } from './servers/refusing-proxy.ts';
import { type S3Server, startS3Server } from './servers/s3.ts';
import { type SmallDisk, startSmallDisk } from './servers/small-disk.ts';

/**
 * A whole farm on this machine: API server, controllers, scheduler, a kubelet that runs pods as processes, NATS, S3, and the
 * operator with the rights that the chart gives it.
 */
export interface Rig {
  readonly plane: ControlPlane;
  readonly nats: NatsServer;
  readonly s3: S3Server;
  readonly kubelet: ProcessKubelet;
  /** Replicas of the operator; one that ends is followed by another in its place, as a Deployment has it. */
  readonly operators: readonly Replica[];
  /** The operators' way to the API server; with `fragile`. */
  readonly refusingProxy: RefusingProxy | null;
  /** Holds the data of the S3 server; with `fragile`. */
  readonly disk: SmallDisk | null;
  stop(): Promise<void>;
}

export interface RigOptions {
  readonly operators?: number;
  readonly nodes?: readonly NodeSpec[];
  /** Seconds of silence after which a node counts as lost. */
  readonly nodeGraceSeconds?: number;
  /** Puts the S3 server on a small disk, and a proxy between the operators and the API server. */
  readonly fragile?: boolean;
  /** Contents of the images besides the repository, their entry point and their environment. */
  readonly image?: Pick<KubeletOptions, 'files' | 'entrypoint' | 'env'>;
}

export const NAMESPACE = 'default';
export const BUCKET = 'cohorts';
const SYSTEM = 'farm-system';
const SECRET = 'bucket';
/** Short, so that a lost leader is followed within a test's patience. */
const LEASE_SECONDS = '4';
/** Room for many small datasets. */
const DISK_MEGABYTES = 512;
/** A kubelet takes longer from the second time on. */
const RESTART_MS = 1000;

const RIGHTS = new Set(['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding']);

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  /** Running parts, in the order in which they were started. */
  const started: { stop(): unknown }[] = [];
  const stop = async (): Promise<void> => {
    for (const one of started.splice(0).reverse()) await one.stop();
  };
  try {
    return { ...(await startParts(options, started)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  {
    operators: count = 1,
    nodes = [{ name: 'node-a', gpus: 4 }],
    nodeGraceSeconds = 40,
    fragile = false,
    image = {},
  }: RigOptions,
  started: { stop(): unknown }[],
): Promise<Omit<Rig, 'stop'>> {
  const keep = async <T extends { stop(): unknown }>(starting: Promise<T>): Promise<T> => {
    const one = await starting;
    started.push(one);
    return one;
  };
  const access = await makeQueueKeys();
  const disk = fragile ? await keep(startSmallDisk(DISK_MEGABYTES)) : null;
  const servers = [
    keep(startControlPlane({ controllers: true, nodeGraceSeconds })),
    keep(startNats(access.config)),
    keep(startS3Server(disk ? { disk } : {})),
  ] as const;
  await Promise.allSettled(servers);
  const [plane, nats, s3] = await Promise.all(servers);
  await s3.createBucket(BUCKET);
  await plane.kubectl('apply', '-f', join(REPO, 'crds/cohortfarm.dev_syntheticdatasets.yaml'));
  await waitForDefinitions(plane, 'crd/syntheticdatasets.cohortfarm.dev');
  const rights = (await renderChart()).filter(({ kind }) => RIGHTS.has(kind));
  await plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM } });
  await plane.apply(...rights, secretOf(s3));
  const account = await plane.serviceAccount(SYSTEM, 'farm-cohortfarm');
  const refusingProxy = fragile ? await keep(startRefusingProxy(plane)) : null;
  const kubeconfig = await plane.writeKubeconfig('operator', { ...account, url: refusingProxy?.url ?? account.url });
  const authenticator = await keep(
    access.start(plane, { system: SYSTEM, release: 'farm-cohortfarm', natsUrl: nats.url }),
  );
  const kubelet = await keep(startProcessKubelet({ access: plane, nodes, ...image }));
  const env = {
    COHORTFARM_POD_NAMESPACE: SYSTEM,
    COHORTFARM_LEASE: 'farm-cohortfarm',
    COHORTFARM_LEASE_SECONDS: LEASE_SECONDS,
    COHORTFARM_LOG_LEVEL: 'info',
    COHORTFARM_NATS_TOKEN: authenticator.operatorToken,
  };
  let replicas = 0;
  const startOperator = () => startReplica({ kubeconfig, natsUrl: nats.url, name: `operator-${replicas++}`, env });
  let stopping = false;
  const operators: Replica[] = [];
  const keepOperator = (index: number): void => {
    const replica = startOperator();
    operators[index] = replica;
    void replica.ended.then(() => stopping || setTimeout(() => stopping || keepOperator(index), RESTART_MS));
  };
  started.push({
    async stop() {
      stopping = true;
      for (const operator of operators) await operator.end('SIGKILL');
    },
  });
  for (let index = 0; index < count; index++) keepOperator(index);
  await Promise.all(operators.map(({ port }) => port));
  return { plane, nats, s3, kubelet, operators, refusingProxy, disk };
}

function secretOf(s3: S3Server): object {
  const stringData = { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: SECRET, namespace: NAMESPACE }, stringData };
}

type Input = SyntheticDataset & { metadata: { name: string } };

/** The demo made small, with its output in the rig's S3. All of one name and `change` make the same shards. */
export async function rigDataset(
  { s3 }: Pick<Rig, 's3'>,
  name: string,
  change: (dataset: Input) => void = () => {},
): Promise<Input> {
  const dataset = parse(await readFile(join(REPO, 'examples/demo.yaml'), 'utf8')) as Input;
  dataset.metadata = { name, namespace: NAMESPACE };
  const { spec } = dataset;
  delete spec.training;
  spec.quota.samples = 48;
  spec.model.sampling.steps = 8;
  // Few steps draw poorly; what is tested is the path, and an exhausted sample would end it early.
  spec.quality.maxAttempts = 200;
  const { endpoint, region } = s3;
  spec.output = {
    ...spec.output,
    uri: `s3://${BUCKET}/${name}`,
    shard: { samples: 6 },
    s3: { endpoint, region, credentialsSecretRef: { name: SECRET } },
  };
  spec.workers = { ...spec.workers, replicas: 2, batchSize: 4, checkpointSamples: 2 };
  change(dataset);
  return dataset;
}

export async function statusOf({ plane }: Pick<Rig, 'plane'>, name: string): Promise<DatasetStatus> {
  return (JSON.parse(await plane.kubectl('get', 'sds', name, '-o', 'json')) as { status?: DatasetStatus }).status ?? {};
}

/** Waits until Ready is as wanted; rejects with what the conditions said last. */
export async function waitForReady(
  rig: Pick<Rig, 'plane'>,
  name: string,
  wanted: (ready: Condition) => boolean,
  ms = 90_000,
): Promise<DatasetStatus> {
  let last: DatasetStatus = {};
  const look = async () => {
    // A kubectl that is refused is asked again: the API server may be down for a moment.
    last = await statusOf(rig, name).catch(() => last);
    const ready = last.conditions?.find(({ type }) => type === 'Ready');
    return ready && wanted(ready) ? last : null;
  };
  return until(`Ready of ${name} is as wanted`, look, ms).catch((cause) => {
    throw new Error(`${(cause as Error).message}; the last status was ${JSON.stringify(last)}`, { cause });
  });
}

export const isReady = ({ status }: Condition): boolean => status === 'True';
export const isReason = (reason: string) => (ready: Condition) => ready.reason === reason;
