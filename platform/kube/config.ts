import { KubeConfig } from '@kubernetes/client-node';
import { redact } from '../redact.ts';

/** A context that somebody asked for. */
export interface WantedContext {
  readonly name: string;
  /** What asked for it, such as `--context`; for messages. */
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
  if (wanted) choose(config, wanted);
  const server = config.getCurrentCluster()?.server;
  if (!server) throw new Error('the kubeconfig has no current context with a cluster: set current-context');
  // What the library makes up where it finds nothing.
  if (server === 'http://localhost:8080') {
    throw new Error('there is neither a kubeconfig nor a service account: set KUBECONFIG, or run in a pod');
  }
  return config;
}

function choose(config: KubeConfig, { name, givenBy }: WantedContext): void {
  if (!config.getContextObject(name)) {
    const known = config.getContexts().map(({ name }) => name);
    throw new Error(`${givenBy}: the kubeconfig has no ${JSON.stringify(name)}; it has ${known.join(', ')}`);
  }
  config.setCurrentContext(name);
}
