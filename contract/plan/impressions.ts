import { type Issue, issueAt, type Path, SpecError } from '../schema/issue.ts';
import { phrase } from '../schema/spec.ts';
import { checkHeader, noRows, type Row } from './columns.ts';
import { type Cell, type Grid, setOf } from './grid.ts';

/** Phrases for `{impression}`: reading those of `spec.prompt.impressionsFrom`, and which of them a cell uses. */

const PATH: Path = ['spec', 'prompt', 'impressionsFrom'];
const MAX_ISSUES = 20;

/** Phrases by finding. */
export type Impressions = Readonly<Record<string, readonly string[]>>;

export const hasPhrases = (impressions: Impressions, finding: string): boolean =>
  Object.hasOwn(impressions, finding) && impressions[finding]!.length > 0;

/** The findings that each lend a phrase to the prompts of a cell: its own, or those that it combines if it has no phrases. */
export function phraseSources(
  { axes }: Grid,
  { values }: Pick<Cell, 'values'>,
  impressions: Impressions,
): readonly string[] {
  const k = axes.findIndex(({ name }) => name === 'finding');
  if (k < 0) return [];
  const finding = values[k]!;
  return hasPhrases(impressions, finding) ? [finding] : setOf(axes[k]!, finding);
}

/**
 * Reads a CSV with the columns finding and impression.
 * @returns the phrases of each finding in file order
 * @throws SpecError when the CSV lacks a column, has no rows, or holds a text that no prompt can (1 is the first row after
 *   the header)
 */
export function readImpressions(rows: Iterable<Row>): Impressions {
  const lists = new Map<string, string[]>();
  const issues: Issue[] = [];
  let number = 0;
  for (const row of rows) {
    if (number++ === 0) checkHeader(['finding', 'impression'], row, PATH);
    const [finding, impression] = [row.finding!.trim(), row.impression!];
    const parsed = phrase.safeParse(impression);
    if (parsed.success) (lists.get(finding) ?? lists.set(finding, []).get(finding)!).push(impression);
    else if (issues.length < MAX_ISSUES) {
      const message = `column "impression" ${parsed.error.issues[0]!.message}`;
      issues.push({ path: `${issueAt(PATH, '').path} row ${number}`, message });
    }
  }
  if (number === 0) noRows(PATH);
  if (issues.length > 0) throw new SpecError(issues);
  return Object.fromEntries(lists);
}
