import { setTimeout as sleep } from 'node:timers/promises';
import { type Access, callApi, MERGE } from '../servers/control-plane-client.ts';
import type { Line } from './report.ts';

/** A node that the process kubelet pretends to be. */
export interface NodeSpec {
  readonly name: string;
  /** Number of `nvidia.com/gpu`; the process kubelet counts them and has none. */
  readonly gpus?: number;
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
}

export interface Node {
  readonly name: string;
  readonly line: Line;
  /** Cuts it off from the API server: no heartbeat, no report, no order arrives. Its pods keep running. */
  lose(): void;
  restore(): void;
  isLost(): boolean;
}

const HEARTBEAT_MS = 2000;
const LEASE_S = 40;

/** Registers a node and keeps its Lease fresh until `signal`. */
export async function startNode(access: Access, spec: NodeSpec, signal: AbortSignal): Promise<Node> {
  const { name } = spec;
  let lost: PromiseWithResolvers<void> | null = null;
  const restore = () => {
    lost?.resolve();
    lost = null;
  };
  signal.addEventListener('abort', restore);

  async function beat(): Promise<void> {
    if (lost !== null) return;
    await renewLease(access, name);
    const status = { conditions: conditions() };
    await callApi(access, `/api/v1/nodes/${name}/status`, { method: 'PATCH', contentType: MERGE, body: { status } });
  }

  async function keepBeating(): Promise<void> {
    while (!signal.aborted) {
      // The next one comes soon.
      await beat().catch(() => undefined);
      await sleep(HEARTBEAT_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  const answer = await callApi(access, '/api/v1/nodes', { method: 'POST', body: nodeObject(spec) });
  if (answer.code !== 201) throw new Error(`cannot register node ${name}: ${answer.code} ${answer.body.message}`);
  await renewLease(access, name);
  void keepBeating();
  return {
    name,
    line: { access, signal, online: async () => lost?.promise },
    lose: () => {
      lost ??= Promise.withResolvers<void>();
    },
    restore,
    isLost: () => lost !== null,
  };
}

function nodeObject({
  name,
  gpus = 0,
  cpu = '16',
  memory = '64Gi',
  pods = 110,
  labels,
  taints = [],
}: NodeSpec): object {
  const resources = { cpu, memory, pods: String(pods), 'ephemeral-storage': '100Gi', 'nvidia.com/gpu': String(gpus) };
  const system = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { ...system, ...labels } },
    spec: { taints },
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: conditions(),
      addresses: [{ type: 'Hostname', address: name }],
      nodeInfo: { kubeletVersion: 'process', operatingSystem: 'linux', architecture: 'amd64' },
    },
  };
}

function conditions(): object[] {
  const now = new Date().toISOString();
  const condition = (type: string, status: string, reason: string) => ({
    type,
    status,
    reason,
    lastHeartbeatTime: now,
  });
  return [
    condition('Ready', 'True', 'KubeletReady'),
    condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
    condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure'),
    condition('PIDPressure', 'False', 'KubeletHasSufficientPID'),
  ];
}

async function renewLease(access: Access, name: string): Promise<void> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases`;
  // Lease times want microseconds.
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_S, renewTime };
  const renewed = await callApi(access, `${path}/${name}`, { method: 'PATCH', contentType: MERGE, body: { spec } });
  if (renewed.code !== 404) return;
  const metadata = { name, namespace: 'kube-node-lease' };
  const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
  await callApi(access, path, { method: 'POST', body });
}
