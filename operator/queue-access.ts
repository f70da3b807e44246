import {
  LABELS,
  QUEUE_AUDIENCE,
  type QueueSubjects,
  type Role,
  reporterSubjects,
  workerSubjects,
} from '../contract/cluster.ts';
import { KIND } from '../contract/names.ts';
import { isKubeError } from '../kube/errors.ts';
import type { Kube, KubeObject, ObjectMeta } from '../kube/types.ts';
import type { Admitted } from '../platform/queue/callout.ts';

/** Who may use the queue for what, by a token of Kubernetes: the operator for all, a worker for its own dataset. */

interface TokenReview extends KubeObject {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: {
      readonly username?: string;
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}

export interface QueueAccessOptions {
  readonly kube: Kube;
  /** Name of the operator's user: `system:serviceaccount:NAMESPACE:NAME`. */
  readonly operator: string;
}

/** By the role of a pod. */
const SUBJECTS: Readonly<Partial<Record<Role, (uid: string) => QueueSubjects>>> = {
  workers: workerSubjects,
  publish: reporterSubjects,
  train: reporterSubjects,
};
const EVERYTHING = { publish: ['>'], subscribe: ['>'] };

/**
 * Finds out who presents a token, or why it is refused. A pod's dataset is the one in its own namespace that its labels
 * or those of its TrainJob name: anyone who can forge them can make pods there, and so can act for the datasets of that namespace in any case.
 */
export function createQueueAccess({
  kube,
  operator,
}: QueueAccessOptions): (token: string) => Promise<Admitted | string> {
  return async (token) => {
    if (token === '') return 'it presents no token';
    const { status } = await review(kube, token);
    if (!status?.authenticated || !status.audiences?.includes(QUEUE_AUDIENCE)) {
      return `its token is not valid for ${QUEUE_AUDIENCE}`;
    }
    const { username = '', extra = {} } = status.user ?? {};
    if (username === operator) return { name: username, subjects: EVERYTHING };
    const namespace = /^system:serviceaccount:([^:]+):/.exec(username)?.[1];
    const name = extra['authentication.kubernetes.io/pod-name']?.[0];
    const uid = extra['authentication.kubernetes.io/pod-uid']?.[0];
    if (!namespace || !name || !uid) return `${username} is not bound to a pod`;
    return admitPod(kube, { namespace, name, uid });
  };
}

/** The answer to a token, which the API server does not store. */
function review(kube: Kube, token: string): Promise<TokenReview> {
  return kube.create<TokenReview>({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: { name: '', namespace: '' },
    spec: { token, audiences: [QUEUE_AUDIENCE] },
  });
}

/** Our labels of a pod; those of its TrainJob where it has none, since not every version of Kubeflow Trainer can give it any. */
async function labelsOf(kube: Kube, { namespace, labels = {} }: ObjectMeta): Promise<Readonly<Record<string, string>>> {
  const name = labels[LABELS.jobSet];
  if (labels[LABELS.dataset] !== undefined || name === undefined) return labels;
  const job = await kube.get({ kind: 'TrainJob', namespace, name }).catch((error) => {
    if (isKubeError(error, 'noSuchKind', 'forbidden')) return null;
    throw error;
  });
  return job?.metadata.labels ?? labels;
}

async function admitPod(
  kube: Kube,
  { namespace, name, uid }: { readonly namespace: string; readonly name: string; readonly uid: string },
): Promise<Admitted | string> {
  const pod = await kube.get({ kind: 'Pod', namespace, name });
  if (pod?.metadata.uid !== uid) return `pod ${namespace}/${name} is gone`;
  const labels = await labelsOf(kube, pod.metadata);
  const dataset = labels[LABELS.dataset];
  const subjectsOf = SUBJECTS[labels[LABELS.role] as Role];
  if (!subjectsOf || !dataset) return `pod ${namespace}/${name} is not a worker, and neither publishes nor trains`;
  const found = await kube.get({ kind: KIND, namespace, name: dataset });
  if (!found || found.metadata.uid !== labels[LABELS.uid]) {
    return `pod ${namespace}/${name} belongs to no dataset of its namespace`;
  }
  return { name: `${namespace}/${name}`, subjects: subjectsOf(found.metadata.uid) };
}
