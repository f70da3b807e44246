import { KubeConfig } from '@kubernetes/client-node';
import type { Access } from '../../testbed/servers/control-plane-client.ts';

/** The configuration of a client that reaches a test's API server with the rights that the token has. */
export function configOf({ url, ca, token }: Access): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'test', server: url, caData: Buffer.from(ca).toString('base64'), skipTLSVerify: false },
    { name: 'test', token },
  );
  return config;
}
