import { fileURLToPath } from 'node:url';
import type { ControlPlane } from '../servers/control-plane.ts';
import { type Part, startParts } from './install.ts';

/** Kueue, as its own manifests install it, for Jobs. */

export const KUEUE: Part = {
  name: 'kueue',
  tool: {
    module: 'kueue',
    versionOf: 'sigs.k8s.io/kueue',
    package: 'sigs.k8s.io/kueue/cmd/kueue',
    name: 'kueue',
    ldflags: () => '-s -w',
  },
  args: ['--config', fileURLToPath(new URL('kueue.yaml', import.meta.url))],
  manifests: ['config/default'],
  namespace: 'kueue-system',
  serviceAccount: 'kueue-controller-manager',
  secret: 'kueue-webhook-server-cert',
};

/** Installs and starts it; resolves when it admits Jobs, with what stops it. Needs root, for a network. */
export const startKueue = (plane: ControlPlane): Promise<() => Promise<void>> => startParts(plane, [KUEUE]);
