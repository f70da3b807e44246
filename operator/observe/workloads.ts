import { z } from 'zod';
import { LABELS } from '../../contract/cluster.ts';
import { isKubeError } from '../../kube/errors.ts';
import type { Kube } from '../../kube/types.ts';
import { redact } from '../../platform/redact.ts';
import type { JobView } from '../observed.ts';

/** Kueue's Workloads: each is of a Job, and says why that is not admitted. */

const workloadSchema = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), message: z.string().default('') }))
        .default([]),
      admissionChecks: z
        .array(z.object({ name: z.string(), state: z.string(), message: z.string().default('') }))
        .default([]),
    })
    .prefault({}),
});

const MAX_MESSAGE = 400;

/** The same Jobs, those that wait in a queue with Kueue's own words on why, as far as it has any. */
export async function withAdmission(
  kube: Pick<Kube, 'list'>,
  namespace: string,
  jobs: readonly JobView[],
): Promise<readonly JobView[]> {
  const waiting = jobs.filter(
    ({ state, suspended, queueName }) => state === 'running' && suspended && queueName !== undefined,
  );
  if (waiting.length === 0) return jobs;
  const found = await workloadsOf(kube, namespace, waiting);
  const why = new Map(
    found.flatMap(({ metadata, status }) => [[metadata.labels[LABELS.workloadOf], reasonOf(status)]]),
  );
  return jobs.map((job) => {
    const admission = waiting.includes(job) ? why.get(job.uid) : undefined;
    return admission ? { ...job, admission } : job;
  });
}

/** None where Kueue is not installed or of a former version, and where roles of a former version do not allow it. */
async function workloadsOf(kube: Pick<Kube, 'list'>, namespace: string, jobs: readonly JobView[]) {
  try {
    const labels = { [LABELS.workloadOf]: jobs.map(({ uid }) => uid) };
    const { items } = await kube.list({ kind: 'Workload', namespace, labels });
    return items.map((item) => workloadSchema.parse(item));
  } catch (error) {
    if (isKubeError(error, 'noSuchKind') || isKubeError(error, 'forbidden')) return [];
    throw error;
  }
}

/** Why quota is not reserved; where it is, the checks that are not passed. */
function reasonOf({ conditions, admissionChecks }: z.infer<typeof workloadSchema>['status']): string {
  const reserved = conditions.find(({ type }) => type === 'QuotaReserved');
  const checks = admissionChecks
    .filter(({ state }) => state !== 'Ready')
    .map(({ name, message }) => `${name}${message === '' ? '' : `: ${message}`}`);
  const words = reserved?.status === 'True' ? checks.join('; ') : (reserved?.message ?? '');
  return redact(words).replace(/\s+/g, ' ').trim().slice(0, MAX_MESSAGE);
}
