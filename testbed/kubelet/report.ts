import { setTimeout as sleep } from 'node:timers/promises';
import { type Access, callApi } from '../servers/control-plane-client.ts';
import type { Pod } from './types.ts';

/** The reports of a kubelet to the API server about a pod, retried for as long as the server is unreachable. */

const RETRY_MS = 200;
const STRATEGIC = 'application/strategic-merge-patch+json';

/** The way from one node to the API server. */
export interface Line {
  readonly access: Access;
  /** Resolves when the node is in touch with the API server, at once if it is. */
  online(): Promise<void>;
  readonly signal: AbortSignal;
}

/** Calls until there is an answer that says something of the request. Null when the kubelet stops before. */
async function insist(line: Line, path: string, call: Parameters<typeof callApi>[2]): Promise<number | null> {
  while (!line.signal.aborted) {
    await line.online();
    const code = await callApi(line.access, path, call).then(
      (answer) => answer.code,
      () => 0,
    );
    if (code !== 0 && code < 500 && code !== 429) return code;
    await sleep(RETRY_MS);
  }
  return null;
}

const pathOf = ({ metadata }: Pod): string => `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;

/** Writes the status; a pod that is gone, or another one of that name, is left alone. */
export async function writeStatus(line: Line, pod: Pod, status: object): Promise<void> {
  const body = { metadata: { uid: pod.metadata.uid }, status };
  const code = await insist(line, `${pathOf(pod)}/status`, { method: 'PATCH', contentType: STRATEGIC, body });
  if (code !== null && ![200, 404, 409].includes(code)) throw new Error(`status of ${pathOf(pod)}: ${code}`);
}

/** Says that nothing of a deleted pod runs any more, so that the object may go. */
export async function finishDeletion(line: Line, pod: Pod): Promise<void> {
  const body = {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    gracePeriodSeconds: 0,
    preconditions: { uid: pod.metadata.uid },
  };
  await insist(line, pathOf(pod), { method: 'DELETE', body });
}

/** Writes one Event about the trouble or the outcome of a pod. A lost Event does not matter. */
export function tellEvent(
  line: Line,
  pod: Pod,
  event: { type: 'Normal' | 'Warning'; reason: string; message: string },
) {
  const { name, namespace, uid } = pod.metadata;
  const now = new Date().toISOString();
  const body = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { generateName: `${name.slice(0, 40)}-`, namespace },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
    source: { component: 'kubelet', host: pod.spec.nodeName },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
    ...event,
  };
  const send = async () => {
    await line.online();
    await callApi(line.access, `/api/v1/namespaces/${namespace}/events`, { method: 'POST', body });
  };
  send().catch(() => undefined);
}
