import { type Rendered, renderRelease } from '../testbed/servers/helm.ts';

/** The objects that the chart renders, as manifests without the marks of a release. */

export const NAMESPACE = 'cohortfarm';
const DEFINITION = 'CustomResourceDefinition';
const OF_HELM = ['helm.sh/chart', 'app.kubernetes.io/managed-by'];

/** Objects of the release `cohortfarm`, without Helm's own labels, tests and the definition, which is a file of its own. */
export async function renderManifests(values: string): Promise<Rendered[]> {
  const objects = await renderRelease('cohortfarm', NAMESPACE, ['--skip-tests', '--values', values]);
  return objects.filter(({ kind }) => kind !== DEFINITION).map((object) => withoutHelm(object) as Rendered);
}

function withoutHelm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelm);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !OF_HELM.includes(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutHelm(inner)]));
}
