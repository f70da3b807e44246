import { Failure } from '../failure.ts';
import { EXIT } from '../names.ts';
import type { ReasonName } from '../reasons.ts';

/** One thing wrong with a resource: where, and what to do about it. */
export interface Issue {
  /** Field path as users write it, such as `spec.quota.axes.age.bins[1]`. */
  readonly path: string;
  /** The value found, what is wrong with it, and the fix. */
  readonly message: string;
}

/** Lines of a message at most; the rest is counted. */
const MAX_LINES = 100;

/** Every issue of a resource at once; the message has one line each. */
export class SpecError extends Failure {
  override readonly name = 'SpecError';
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[], options: { reason?: ReasonName } = {}) {
    const lines = issues.slice(0, MAX_LINES).map(({ path, message }) => `${path}: ${message}`);
    if (issues.length > MAX_LINES) lines.push(`and ${issues.length - MAX_LINES} more`);
    super(options.reason ?? 'SpecInvalid', lines.join('\n'), { retryable: false });
    this.issues = issues;
  }

  /** Whatever is wrong with what the spec names, the spec is what to correct. */
  override get exitCode(): number {
    return EXIT.usage;
  }
}

/** The path of a field: names of maps and positions in lists, from the outside in. */
export type Path = readonly PropertyKey[];

/** `['spec', 'gates', 0, 'a b']` as `spec.gates[0]["a b"]`. */
export function pathOf(keys: Path): string {
  const text = keys.map((key) => {
    if (typeof key === 'number') return `[${key}]`;
    return /^[A-Za-z_][\w-]*$/.test(String(key)) ? `.${String(key)}` : `[${show(String(key))}]`;
  });
  return text.join('').replace(/^\./, '') || '(document)';
}

export const issueAt = (keys: Path, message: string): Issue => ({ path: pathOf(keys), message });

/** A value as an error shows it: JSON, cut to a readable length. */
export function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? showList(value) : showMap(value);
  return cut(typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN)) : String(value));
}

const SHOWN = 80;

const cut = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN - 3)}...` : text);

/** Lists and maps are shown one level deep: YAML aliases can make them circular, or endless to print. */
const showFlat = (value: unknown): string =>
  typeof value === 'object' && value !== null ? (Array.isArray(value) ? '[...]' : '{...}') : show(value);

const showList = (list: readonly unknown[]): string => cut(`[${list.slice(0, SHOWN).map(showFlat).join(', ')}]`);

const showMap = (map: object): string =>
  cut(
    `{${Object.entries(map)
      .slice(0, SHOWN)
      .map(([key, value]) => `${show(key)}: ${showFlat(value)}`)
      .join(', ')}}`,
  );

/** The first names of a list, and how many more there are. */
export function listed(names: readonly string[], most = 20): string {
  const rest = names.length - most;
  return names.slice(0, most).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
