import { type Issue, SpecError } from '../schema/issue.ts';
import { datasetSchema, type SyntheticDataset } from '../schema/spec.ts';
import { knownAxes } from './axes.ts';
import { type Draft, type DraftSpec, prune } from './draft.ts';
import { formIssues, protoIssues } from './form.ts';
import { VALIDATIONS } from './validations.ts';

/**
 * Checks a parsed YAML document and fills in the defaults. A `status` is left out.
 * @throws SpecError with every issue found, of the form and of the meaning alike.
 */
export function parseDataset(document: unknown): SyntheticDataset {
  const parsed = datasetSchema.safeParse(document);
  const faults = parsed.success ? [] : parsed.error.issues;
  const issues = [
    ...protoIssues(document),
    ...faults.flatMap((issue) => formIssues(issue, document)),
    ...checkMeaning(prune(document, faults) as Draft<SyntheticDataset> | null),
  ];
  if (issues.length > 0) throw new SpecError(issues);
  const { status: _status, ...dataset } = parsed.data!;
  return dataset;
}

/** Checks how fields and sections belong together, on every part whose own form is right. */
function checkMeaning(dataset: Draft<SyntheticDataset> | null): Issue[] {
  const spec = (dataset?.spec ?? {}) as DraftSpec;
  const axes = knownAxes(spec.quota?.axes);
  return VALIDATIONS.flatMap(({ check }) => check(spec, axes));
}
