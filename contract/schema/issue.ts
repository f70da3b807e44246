/** One thing wrong with a resource: where, and what to do about it. */
export interface Issue {
  /** Field path as users write it, such as `spec.quota.axes.age.bins[1]`. */
  readonly path: string;
  /** The value found, what is wrong with it, and the fix. */
  readonly message: string;
}

/** Every issue of a resource at once; the message has one line each. */
export class SpecError extends Error {
  override readonly name = 'SpecError';
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[]) {
    super(issues.map(({ path, message }) => `${path}: ${message}`).join('\n'));
    this.issues = issues;
  }
}

/** A value as an error shows it: JSON, cut to a readable length. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
