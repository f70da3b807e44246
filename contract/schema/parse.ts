import type { z } from 'zod';
import { checkPrompt, checkPromptAgainstQuota, checkQuality, checkQuota } from './check.ts';
import { type Issue, SpecError, show } from './issue.ts';
import { datasetSchema, promptSchema, qualitySchema, quotaSchema, type SyntheticDataset } from './spec.ts';

/**
 * Checks a parsed YAML document and fills in the defaults.
 * @throws SpecError with every issue found, of the form and of the meaning alike.
 */
export function parseDataset(document: unknown): SyntheticDataset {
  const parsed = datasetSchema.safeParse(document);
  const issues = parsed.success ? [] : parsed.error.issues.flatMap((issue) => explain(issue, document));
  issues.push(...checkMeaning(document));
  if (issues.length > 0) throw new SpecError(issues);
  return parsed.data!;
}

/** The checks of meaning, on every section whose form is right, so that one typing error hides no other issue. */
function checkMeaning(document: unknown): Issue[] {
  const spec = at(document, ['spec']);
  const quota = quotaSchema.safeParse(at(spec, ['quota']));
  const prompt = promptSchema.safeParse(at(spec, ['prompt']) ?? {});
  const quality = qualitySchema.safeParse(at(spec, ['quality']) ?? {});
  const issues: Issue[] = [];
  if (quota.success) issues.push(...checkQuota(quota.data));
  if (prompt.success) issues.push(...checkPrompt(prompt.data));
  if (quota.success && prompt.success) issues.push(...checkPromptAgainstQuota(prompt.data, quota.data));
  if (quota.success && quality.success) issues.push(...checkQuality(quality.data, quota.data));
  return issues;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

/** `['spec', 'gates', 0, 'a b']` as `spec.gates[0]["a b"]`. */
function pathOf(keys: readonly PropertyKey[]): string {
  const text = keys.map((key) => {
    if (typeof key === 'number') return `[${key}]`;
    return /^[A-Za-z_][\w-]*$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(String(key))}]`;
  });
  return text.join('').replace(/^\./, '') || '(document)';
}

function explain(issue: z.core.$ZodIssue, document: unknown): Issue[] {
  const path = pathOf(issue.path);
  const value = at(document, issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: pathOf([...issue.path, key]),
      message: 'no such field; remove it or check its spelling and indentation',
    }));
  }
  if (issue.code === 'invalid_key') {
    const reasons = issue.issues.map((inner) => inner.message).join('; ');
    return [{ path, message: `${show(issue.path.at(-1))} is no valid name here: ${reasons}` }];
  }
  if (value === undefined) return [{ path, message: `is required${expected(issue)}` }];
  return [{ path, message: `${show(value)} is not valid: ${requirement(issue)}` }];
}

function expected(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `; write ${issue.values.map((value) => show(value)).join(' or ')}`;
  return issue.code === 'invalid_type' ? ` (${issue.expected})` : '';
}

function requirement(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `write ${article(issue.expected)}`;
    case 'invalid_value':
      return `write ${issue.values.map((value) => show(value)).join(' or ')}`;
    case 'too_small':
      return `the least is ${issue.minimum}${issue.origin === 'string' || issue.origin === 'array' ? ' in length' : ''}`;
    case 'too_big':
      return `the most is ${issue.maximum}${issue.origin === 'string' || issue.origin === 'array' ? ' in length' : ''}`;
    case 'not_multiple_of':
      return `it must be a multiple of ${issue.divisor}`;
    default:
      return issue.message;
  }
}

const article = (noun: string): string =>
  ({
    int: 'a whole number',
    number: 'a number',
    string: 'text (in quotes)',
    array: 'a list',
    boolean: 'true or false',
  })[noun] ?? (noun === 'object' || noun === 'record' ? 'a map of fields' : `${noun}`);
