import { API_VERSION, KIND } from '../../contract/names.ts';
import { loadConfig } from '../../kube/config.ts';
import { discover, type Served } from '../../kube/discovery.ts';
import { RESOURCES } from '../../kube/resources.ts';
import { createTransport } from '../../kube/transport.ts';
import { type Finding, isOlder, versionOf } from './finding.ts';

/** Checks of a cluster: its version, CohortFarm, Kueue, Kubeflow Trainer. */

const KUBERNETES: readonly [number, number] = [1, 33];
/** The version of Kueue's API that examples/cluster/kueue.yaml is written in. */
const KUEUE = 'kueue.x-k8s.io/v1beta2';

export async function checkCluster(context: string | undefined): Promise<Finding[]> {
  const name = 'Cluster';
  let config: ReturnType<typeof loadConfig>;
  try {
    config = loadConfig(context === undefined ? undefined : { name: context, givenBy: '--context' });
  } catch (error) {
    const { message } = error as Error;
    const isNone = context === undefined && message.startsWith('there is neither');
    return [{ name, state: isNone ? 'absent' : 'fix', message }];
  }
  const host = new URL(config.getCurrentCluster()!.server).host;
  try {
    return judgeCluster(await discover(createTransport(config, 'cohortfarm-cli')), host);
  } catch (error) {
    const fix = 'check the context (--context) and that the cluster runs';
    return [{ name, state: 'fix', message: `${(error as Error).message}, from ${host}; ${fix}` }];
  }
}

export function judgeCluster({ version, groups }: Served, host: string): Finding[] {
  const parsed = versionOf(version);
  const old = parsed !== null && isOlder(parsed, KUBERNETES);
  const said = `Kubernetes ${version} at ${host}`;
  const message = old ? `${said}; CohortFarm needs ${KUBERNETES.join('.')} or newer` : said;
  /** A part that is there in a version, or not at all, or in others only. */
  const part = (name: string, wanted: string, missing: Pick<Finding, 'state' | 'message'>): Finding => {
    const [group, wantedVersion] = wanted.split('/') as [string, string];
    const served = groups.get(group);
    if (!served) return { name, ...missing };
    if (served.includes(wantedVersion)) return { name, state: 'ok', message: wanted };
    const other = `serves ${served.join(', ')} of ${group}, not ${wantedVersion}: install a version that does`;
    return { name, state: 'fix', message: other };
  };
  return [
    { name: 'Cluster', state: old ? 'fix' : 'ok', message },
    part('CohortFarm', API_VERSION, {
      state: 'fix',
      message: `the cluster does not know ${KIND}: install the chart (docs/install.md)`,
    }),
    part('Kueue', KUEUE, { state: 'absent', message: 'not installed; only workers.queueName needs it' }),
    part('Trainer', RESOURCES.TrainJob.apiVersion, {
      state: 'absent',
      message: 'Kubeflow Trainer is not installed; training then runs as Jobs',
    }),
  ];
}
