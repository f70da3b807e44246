import { type Issue, SpecError } from '../schema/issue.ts';
import { datasetSchema, type SyntheticDataset } from '../schema/spec.ts';
import { checkAllocation } from './check-allocation.ts';
import { checkPrompt } from './check-prompt.ts';
import { checkNumbers, checkQuality } from './check-quality.ts';
import { checkAxes, checkExclude, knownAxes } from './check-quota.ts';
import { checkTraining } from './check-training.ts';
import { formIssues, protoIssues } from './form.ts';
import { member } from './salvage.ts';

/**
 * Checks a parsed YAML document and fills in the defaults. A `status` is left out.
 * @throws SpecError with every issue found, of the form and of the meaning alike.
 */
export function parseDataset(document: unknown): SyntheticDataset {
  const parsed = datasetSchema.safeParse(document);
  const form = parsed.success ? [] : parsed.error.issues.flatMap((issue) => formIssues(issue, document));
  const issues = [...protoIssues(document), ...form, ...checkMeaning(member(document, 'spec'))];
  if (issues.length > 0) throw new SpecError(issues);
  const { status: _status, ...dataset } = parsed.data!;
  return dataset;
}

/** How fields and sections belong together, which no schema says: on every part whose own form is right. */
function checkMeaning(spec: unknown): Issue[] {
  const quota = member(spec, 'quota');
  const axes = knownAxes(quota);
  return [
    ...checkAxes(quota),
    ...checkExclude(quota, axes),
    ...checkAllocation(quota, axes),
    ...checkPrompt(member(spec, 'prompt'), quota, axes),
    ...checkQuality(member(spec, 'quality'), axes),
    ...checkNumbers(spec),
    ...checkTraining(member(spec, 'training'), axes),
  ];
}
