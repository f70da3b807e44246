import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from '../../testbed/servers/control-plane.ts';
import { type Answer, APPLY, callApi } from '../../testbed/servers/control-plane-client.ts';
import { REPO } from '../support/cli.ts';

/** A control plane that knows `SyntheticDataset`, and the calls that tests make on it. */

const DEFINITION = join(REPO, 'crds/cohortfarm.dev_syntheticdatasets.yaml');
const COLLECTION = '/apis/cohortfarm.dev/v1alpha1/namespaces/default/syntheticdatasets';

export const pathOf = (name: string, subresource = ''): string => `${COLLECTION}/${name}${subresource}`;

export async function startWithDefinition(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const plane = await startControlPlane(options);
  try {
    await plane.kubectl('apply', '--server-side', '-f', DEFINITION);
    // For a moment after it is established, calls still find nothing, and kubectl not even its name.
    await eventually(() => succeeds(plane.kubectl('get', 'sds')));
    return plane;
  } catch (error) {
    // A server that is left running keeps the test run from ending.
    await plane.stop();
    throw error;
  }
}

/** Server-side apply as kubectl does it: unknown fields are an error. `dryRun` keeps nothing. */
export function applyDataset(plane: ControlPlane, document: unknown, dryRun = false): Promise<Answer> {
  const { name } = (document as { metadata: { name: string } }).metadata;
  const query = `?fieldManager=test&force=true&fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`;
  return callApi(plane, pathOf(name) + query, { method: 'PATCH', contentType: APPLY, body: document });
}

/** Creation without a trace. Apply answers 500, not 422, to what it cannot merge: text for a number, a value twice. */
export function tryDataset(plane: ControlPlane, document: unknown): Promise<Answer> {
  return callApi(plane, `${COLLECTION}?dryRun=All&fieldValidation=Strict`, { method: 'POST', body: document });
}

/** The faults of an answer: one line each, the field first. */
export function faultsOf({ body }: Answer): string[] {
  const causes = body.details?.causes;
  return causes ? causes.map(({ field, message }) => `${field}: ${message}`).sort() : [body.message ?? ''];
}

export const succeeds = (attempt: Promise<unknown>): Promise<boolean> =>
  attempt.then(
    () => true,
    () => false,
  );

export async function eventually(isTrue: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(50)) if (await isTrue()) return;
  throw new Error('did not happen within 20 seconds');
}
