import { type Cluster, KubeConfig } from '@kubernetes/client-node';
import { redact } from '../platform/redact.ts';

/** A context that the user named. */
export interface WantedContext {
  readonly name: string;
  /** The option or variable that named it, such as `--context`; for messages. */
  readonly givenBy: string;
}

/**
 * Uses KUBECONFIG or ~/.kube/config where there is one, else the service account of the pod.
 * @param wanted in place of the current context
 * @throws Error that says what is missing
 */
export function loadConfig(wanted?: WantedContext): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (cause) {
    throw new Error(`cannot read the kubeconfig: ${redact((cause as Error).message)}: check KUBECONFIG`, { cause });
  }
  // What the library makes up where it finds nothing.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new Error('there is neither a kubeconfig nor a service account: set KUBECONFIG, or run in a pod');
  }
  if (wanted) choose(config, wanted);
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error('the kubeconfig has no current context with a cluster: set current-context');
  checkServer(cluster);
  return config;
}

function checkServer({ name, server, skipTLSVerify }: Cluster): void {
  const url = URL.parse(server);
  const protocols = skipTLSVerify ? ['https:', 'http:'] : ['https:'];
  if (url && protocols.includes(url.protocol) && url.hostname !== '') return;
  throw new Error(
    `the kubeconfig's cluster ${JSON.stringify(name)} has the server ${JSON.stringify(redact(server))}: write https://HOST:PORT`,
  );
}

function choose(config: KubeConfig, { name, givenBy }: WantedContext): void {
  if (!config.getContextObject(name)) {
    const known = config.getContexts().map(({ name }) => name);
    throw new Error(`${givenBy}: the kubeconfig has no ${JSON.stringify(name)}; it has ${known.join(', ')}`);
  }
  config.setCurrentContext(name);
}
