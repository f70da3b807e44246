import type { z } from 'zod';
import { type Issue, issueAt, type Path, show } from '../schema/issue.ts';

/** Issues of the form of a document, in words that name the fix. */

const PROTO = '__proto__';

/** Maps named `__proto__`, which zod ignores. Documents may contain themselves. */
export function protoIssues(raw: unknown, path: Path = [], seen = new Set<object>()): Issue[] {
  if (typeof raw !== 'object' || raw === null || seen.has(raw)) return [];
  seen.add(raw);
  if (Array.isArray(raw)) return raw.flatMap((entry, i) => protoIssues(entry, [...path, i], seen));
  return Object.entries(raw).flatMap(([key, value]) =>
    key === PROTO
      ? [issueAt([...path, key], 'cannot be used as a name; choose another')]
      : protoIssues(value, [...path, key], seen),
  );
}

/** The value at a path; undefined where there is none. Inherited names do not count. */
function valueAt(document: unknown, path: Path): unknown {
  let value = document;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[name];
  }
  return value;
}

/** Rewrites one issue of zod. `document` is what was parsed. */
export function formIssues(issue: z.core.$ZodIssue, document: unknown): Issue[] {
  const value = valueAt(document, issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .filter((key) => key !== PROTO)
      .map((key) => issueAt([...issue.path, key], 'no such field; remove it or check its spelling and indentation'));
  }
  if (issue.code === 'invalid_key') {
    const reasons = issue.issues.map((inner) => inner.message).join('; ');
    return [issueAt(issue.path, `${show(issue.path.at(-1))} is not valid as a name: ${reasons}`)];
  }
  if (value === undefined) return [issueAt(issue.path, `is required; write ${wanted(issue)}`)];
  if (value === null) return [issueAt(issue.path, `is empty; write ${wanted(issue)}`)];
  return [issueAt(issue.path, `${show(value)} ${fault(issue, value)}`)];
}

function wanted(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return issue.values.map((value) => show(value)).join(' or ');
  return issue.code === 'invalid_type' ? noun(issue.expected) : 'a value';
}

function fault(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${misquoted(issue.expected, value) ?? `is not valid: write ${noun(issue.expected)}`}`;
    case 'invalid_value':
      return `is not valid: write ${wanted(issue)}`;
    case 'too_small':
      return `is not valid: ${bound('least', issue.origin, issue.minimum, issue.inclusive)}`;
    case 'too_big':
      return `is not valid: ${bound('most', issue.origin, issue.maximum, issue.inclusive)}`;
    case 'not_multiple_of':
      return `is not valid: it must be a multiple of ${issue.divisor}`;
    default:
      return `is not valid: it ${issue.message}`;
  }
}

/** YAML reads 0 and "0" as different things; the fix is a pair of quotes more or less. */
function misquoted(expected: string, value: unknown): string | null {
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return `is a ${typeof value}, not text; put it in quotes: "${value}"`;
  }
  const number = expected === 'int' || expected === 'number';
  if (number && typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)) {
    return `is text, not a number; write it without quotes: ${value}`;
  }
  return null;
}

function bound(which: 'least' | 'most', origin: string, limit: number | bigint, inclusive = true): string {
  if (origin === 'string') return `it must have at ${which} ${limit} character${limit === 1 ? '' : 's'}`;
  if (origin === 'array') return `it must have at ${which} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  if (!inclusive) return `it must be ${which === 'least' ? 'more' : 'less'} than ${limit}`;
  return `the ${which} is ${limit}`;
}

const NOUNS: ReadonlyMap<string, string> = new Map([
  ['int', 'a whole number'],
  ['number', 'a number'],
  ['string', 'text'],
  ['array', 'a list'],
  ['boolean', 'true or false'],
  ['object', 'a map of fields'],
  ['record', 'a map of names'],
]);

const noun = (expected: string): string => NOUNS.get(expected) ?? expected;
