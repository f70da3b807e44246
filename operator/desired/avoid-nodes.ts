import type { Template } from './pod.ts';

/** Keeps pods away from nodes, whatever else the template asks of a node. */

interface Term {
  readonly matchFields?: readonly object[];
  readonly [field: string]: unknown;
}

interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms?: readonly Term[] };
  };
}

export function avoidNodes(template: Template, nodes: readonly string[]): Template {
  const affinity = template.spec.affinity as Affinity | undefined;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  // A node has to fit one of the terms, and within it all that it says; a field takes one name.
  const apart = nodes.map((name) => ({ key: 'metadata.name', operator: 'NotIn', values: [name] }));
  const terms = (required?.nodeSelectorTerms ?? [{}]).map((term) => ({
    ...term,
    matchFields: [...(term.matchFields ?? []), ...apart],
  }));
  const nodeAffinity = {
    ...affinity?.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: { ...required, nodeSelectorTerms: terms },
  };
  return { ...template, spec: { ...template.spec, affinity: { ...affinity, nodeAffinity } } };
}
