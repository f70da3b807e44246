import { placeholders, strayBrace } from '../plan/prompts.ts';
import { type Issue, issueAt, listed, type Path } from '../schema/issue.ts';
import { promptSchema } from '../schema/spec.ts';
import { type Axes, checkValue } from './check-quota.ts';
import { member, members, sound } from './salvage.ts';

/** The meaning of `spec.prompt`: that each sample's prompt can be written. */

const TEMPLATE: Path = ['spec', 'prompt', 'template'];
const IMPRESSIONS: Path = ['spec', 'prompt', 'impressions'];

export function checkPrompt(prompt: unknown, quota: unknown, axes: Axes | null): Issue[] {
  const fromTable = member(quota, 'allocation', 'table', 'impressionColumn') !== undefined;
  return [...checkSources(prompt, fromTable), ...checkTemplate(prompt, axes), ...checkPhrases(prompt, axes, fromTable)];
}

/** Phrases have one source: the table, a CSV or the resource itself. */
function checkSources(prompt: unknown, fromTable: boolean): Issue[] {
  const given = (['impressions', 'impressionsFrom'] as const).filter((field) => member(prompt, field) !== undefined);
  if (fromTable) {
    return given.map((field) =>
      issueAt(
        ['spec', 'prompt', field],
        'is not used: spec.quota.allocation.table.impressionColumn gives the impressions; remove one of the two',
      ),
    );
  }
  return given.length === 2
    ? [
        issueAt(
          ['spec', 'prompt', 'impressionsFrom'],
          'impressions are given twice; remove this or spec.prompt.impressions',
        ),
      ]
    : [];
}

const templateOf = (prompt: unknown): string | undefined =>
  sound(promptSchema.shape.template, member(prompt, 'template'));

function checkTemplate(prompt: unknown, axes: Axes | null): Issue[] {
  const template = templateOf(prompt);
  if (template === undefined) return [];
  const known = [...(axes?.keys() ?? []), 'impression'];
  const fix = `write ${known.map((word) => `{${word}}`).join(', ')}`;
  const origin = member(prompt, 'template') === undefined ? 'the default template names ' : '';
  const issues = placeholders(template)
    .filter((name) => axes && !known.includes(name))
    .map((name) => issueAt(TEMPLATE, `${origin}{${name}}${origin && ', which'} is no axis; ${fix}`));
  const stray = strayBrace(template);
  if (stray !== null) {
    issues.push(
      issueAt(TEMPLATE, `the brace in "${stray}" encloses no name; write {name} without blanks or remove it`),
    );
  }
  return issues;
}

function checkPhrases(prompt: unknown, axes: Axes | null, fromTable: boolean): Issue[] {
  if (!axes) return [];
  const impressions = member(prompt, 'impressions');
  const issues = axes.has('finding')
    ? members(impressions).flatMap(([value]) => checkValue(axes, 'finding', value, [...IMPRESSIONS, value]))
    : [];
  const used = placeholders(templateOf(prompt) ?? '').includes('impression');
  if (!used || fromTable) return issues;
  if (!axes.has('finding')) {
    return [
      issueAt(
        TEMPLATE,
        '{impression} needs an axis "finding" (or a table with impressionColumn); add one or remove it',
      ),
    ];
  }
  const missing = (axes.get('finding')?.values ?? []).filter((value) => member(impressions, value) === undefined);
  if (missing.length > 0 && member(prompt, 'impressionsFrom') === undefined) {
    issues.push(issueAt(IMPRESSIONS, `has no phrases for ${listed(missing)}; add a list for each`));
  }
  return issues;
}
