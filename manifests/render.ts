import { type Rendered, renderRelease } from '../testbed/servers/helm.ts';

/** The objects that the chart renders, as manifests without the marks of a release. */

export const NAMESPACE = 'cohortfarm';
const DEFINITION = 'CustomResourceDefinition';
/** Helm's own; our pods are managed by another. */
const isOfHelm = (key: string, value: unknown): boolean =>
  key === 'helm.sh/chart' || (key === 'app.kubernetes.io/managed-by' && value === 'Helm');

/** Objects of the release `cohortfarm`, without Helm's own labels, tests and the definition, which is a file of its own. */
export async function renderManifests(values: string): Promise<Rendered[]> {
  const objects = await renderRelease('cohortfarm', NAMESPACE, ['--skip-tests', '--values', values]);
  return objects.filter(({ kind }) => kind !== DEFINITION).map((object) => withoutHelm(object) as Rendered);
}

function withoutHelm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelm);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key, inner]) => !isOfHelm(key, inner));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutHelm(inner)]));
}
