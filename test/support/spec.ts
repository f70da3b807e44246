import { parse } from 'yaml';
import { makePlan, type Plan, type PlanInputs } from '../../contract/plan/plan.ts';
import { SpecError } from '../../contract/schema/issue.ts';
import { parseDataset } from '../../contract/validate/parse.ts';

/** Small resources for tests of the plan. */

/** A resource of which a test changes what it is about: 2 sexes, 2 ages, 2 findings, 16 images. */
export const BASE = `
apiVersion: cohortfarm.dev/v1alpha1
kind: SyntheticDataset
metadata: {name: small}
spec:
  seed: 7
  quota:
    samples: 16
    axes:
      sex: {values: [female, male]}
      age: {bins: ["18-39", "40-90"]}
      finding: {values: [no-finding, edema]}
  prompt:
    template: "{age} year old {sex}. {impression}"
    impressions: {no-finding: ["Normal .", "Clear lungs ."], edema: ["Edema .", "Mild edema .", "Severe edema ."]}
  model: {uri: models/any, sampling: {steps: 20}}
  output: {uri: out/small, shard: {samples: 5}}
`;

type Changes = Readonly<Record<string, unknown>>;

/**
 * The base document with some fields set, by dotted path: `{'spec.quota.samples': 3}`. Undefined removes a field.
 * A path of dots cannot name fields that hold dots; write the enclosing map instead.
 */
export function documentWith(changes: Changes = {}, text = BASE): unknown {
  const document = parse(text);
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split('.');
    const last = names.pop()!;
    let map = document;
    for (const name of names) map = map[name] ??= {};
    if (value === undefined) delete map[last];
    else map[last] = value;
  }
  return document;
}

export const INPUTS: PlanInputs = {
  model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height: 128, width: 128 } },
  gateDigests: [],
};

export const planOf = (changes: Changes = {}, inputs: Partial<PlanInputs> = {}): Plan =>
  makePlan(parseDataset(documentWith(changes)), { ...INPUTS, ...inputs });

/** The lines of the SpecError that `run` throws; fails on anything else. */
export function linesOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof SpecError) return error.message.split('\n');
    throw error;
  }
  throw new Error('no SpecError was thrown');
}
