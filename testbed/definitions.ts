import { until } from './replica.ts';
import type { ControlPlane } from './servers/control-plane.ts';

/**
 * Waits until definitions (`crd/NAME`, or `crd --all`) are established. At first they have no conditions, with which
 * `kubectl wait` fails at once. @returns what kubectl prints
 */
export const waitForDefinitions = (plane: Pick<ControlPlane, 'kubectl'>, ...which: string[]): Promise<string> =>
  until(`the definitions ${which.join(' ')} are established`, () =>
    plane.kubectl('wait', '--for=condition=Established', '--timeout=20s', ...which).catch(() => null),
  );
