import type { Pod } from '../../testbed/kubelet/types.ts';

/** Runs before the pod's program, which ends as it would without a driver for its GPU. */
const FAILING = `
import { writeFileSync } from 'node:fs';
writeFileSync(process.env.COHORTFARM_OUTCOME_FILE, JSON.stringify({
  apiVersion: 'cohortfarm.dev/outcome/v1',
  reason: 'ProviderUnavailable',
  message: 'cuda was requested: the driver of this node does not answer',
}));
process.exit(78);
`;

/** Environment of the images on nodes that fail every worker pod. */
export const failingOn =
  (isBad: (node: string | undefined) => boolean) =>
  ({ metadata, spec }: Pod): Record<string, string> =>
    isBad(spec.nodeName) && metadata.labels?.['cohortfarm.dev/role'] === 'workers'
      ? { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(FAILING)}` }
      : {};
