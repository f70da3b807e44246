import { placeholders, strayBrace } from '../plan/prompts.ts';
import { type Issue, issueAt, listed, type Path } from '../schema/issue.ts';
import { promptSchema } from '../schema/spec.ts';
import { type Axes, checkValue } from './axes.ts';
import { type DraftSpec, entries, withDefault } from './draft.ts';
import { asKeys, namesOf, type Rule, type Validation, withName } from './rule.ts';

/** `spec.prompt`: the prompt of each sample can be written. */

const PROMPT: Path = ['spec', 'prompt'];
const TEMPLATE: Path = [...PROMPT, 'template'];
const IMPRESSIONS: Path = [...PROMPT, 'impressions'];
const SOURCES = ['impressions', 'impressionsFrom'] as const;

const fromTable = '(has(self.quota.allocation.table) && has(self.quota.allocation.table.impressionColumn))';
const usesImpression = "self.prompt.template.contains('{impression}')";
const PLACEHOLDER = '[{][A-Za-z_][A-Za-z0-9_]*[}]';

const isFromTable = ({ quota }: DraftSpec): boolean => quota?.allocation?.table?.impressionColumn !== undefined;
const templateOf = ({ prompt }: DraftSpec): string | null =>
  prompt === null ? null : withDefault(prompt?.template, promptSchema.shape.template);

/** Phrases have one source: the table, a CSV or the resource itself. */
const sources: Validation = {
  check: (spec) => {
    const given = SOURCES.filter((field) => spec.prompt?.[field] !== undefined);
    if (isFromTable(spec)) {
      const message =
        'is not used: spec.quota.allocation.table.impressionColumn gives the impressions; remove one of the two';
      return given.map((field) => issueAt([...PROMPT, field], message));
    }
    const message = 'impressions are given twice; remove this or spec.prompt.impressions';
    return given.length === 2 ? [issueAt([...PROMPT, 'impressionsFrom'], message)] : [];
  },
  cel: {
    '': SOURCES.map(
      (field): Rule => ({
        rule: `!${fromTable} || !has(self.prompt.${field})`,
        message:
          'is not used: spec.quota.allocation.table.impressionColumn gives the impressions; remove one of the two',
        fieldPath: `.prompt.${field}`,
        reason: 'FieldValueForbidden',
      }),
    ),
    prompt: [
      {
        rule: '!has(self.impressions) || !has(self.impressionsFrom)',
        message: 'impressions are given twice; remove this or spec.prompt.impressions',
        fieldPath: '.impressionsFrom',
        reason: 'FieldValueForbidden',
      },
    ],
  },
};

const template: Validation = {
  check: checkTemplate,
  cel: {
    '': [
      {
        rule: withName(
          'axes',
          'self.quota.axes',
          `self.prompt.template.findAll('${PLACEHOLDER}').all(found, found == '{impression}' || found.substring(1, found.size() - 1) in axes)`,
        ),
        message:
          'names in braces must be axes of spec.quota.axes, or impression; give a template if this is the default',
        fieldPath: '.prompt.template',
      },
    ],
    'prompt.template': [
      {
        rule: `self.matches('^([^{}]|${PLACEHOLDER})*$')`,
        message: 'has a brace that encloses no name; write {name} without blanks or remove it',
      },
    ],
  },
};

function checkTemplate(spec: DraftSpec, axes: Axes | null): Issue[] {
  const text = templateOf(spec);
  if (text === null) return [];
  const known = [...(axes?.keys() ?? []), 'impression'];
  const fix = `write ${known.map((word) => `{${word}}`).join(', ')}`;
  const origin = spec.prompt?.template === undefined ? 'the default template names ' : '';
  const issues = placeholders(text)
    .filter((name) => axes && !known.includes(name))
    .map((name) => issueAt(TEMPLATE, `${origin}{${name}}${origin && ', which'} is not an axis; ${fix}`));
  const stray = strayBrace(text);
  if (stray !== null) {
    const message = `the brace in "${stray}" encloses no name; write {name} without blanks or remove it`;
    issues.push(issueAt(TEMPLATE, message));
  }
  return issues;
}

const phrases: Validation = {
  check: checkPhrases,
  cel: {
    '': [
      {
        rule: `!${usesImpression} || ${fromTable} || 'finding' in self.quota.axes`,
        message: '{impression} needs an axis finding (or a table with impressionColumn); add one or remove it',
        fieldPath: '.prompt.template',
      },
      {
        rule: `!${usesImpression} || ${fromTable} || !('finding' in self.quota.axes) || has(self.prompt.impressionsFrom) ||
(has(self.prompt.impressions) && (!has(self.quota.axes['finding'].values) || self.quota.axes['finding'].values.all(value, value in self.prompt.impressions)) &&
(!has(self.quota.axes['finding'].bins) || self.quota.axes['finding'].bins.all(value, value in self.prompt.impressions)))`,
        message: 'must have phrases for each value of the axis finding; add a list for each',
        fieldPath: '.prompt.impressions',
      },
      {
        rule: `!has(self.prompt.impressions) || !('finding' in self.quota.axes) ||
${withName('known', asKeys(namesOf("self.quota.axes['finding']")), 'self.prompt.impressions.all(value, value in known)')}`,
        message: 'has phrases for a value that the axis finding does not have; remove them or add the value',
        fieldPath: '.prompt.impressions',
      },
    ],
  },
};

function checkPhrases(spec: DraftSpec, axes: Axes | null): Issue[] {
  if (!axes) return [];
  const impressions = spec.prompt?.impressions;
  const issues = axes.has('finding')
    ? entries(impressions).flatMap(([value]) => checkValue(axes, 'finding', value, [...IMPRESSIONS, value]))
    : [];
  const used = placeholders(templateOf(spec) ?? '').includes('impression');
  if (!used || isFromTable(spec)) return issues;
  if (!axes.has('finding')) {
    const message = '{impression} needs an axis "finding" (or a table with impressionColumn); add one or remove it';
    return [issueAt(TEMPLATE, message)];
  }
  const finding = axes.get('finding');
  // A combination without phrases of its own takes those of its values.
  const plain = (finding?.values ?? []).filter((value) => !finding!.combinations.has(value));
  const missing = plain.filter((value) => !Object.hasOwn(impressions ?? {}, value));
  if (missing.length > 0 && spec.prompt?.impressionsFrom === undefined) {
    issues.push(issueAt(IMPRESSIONS, `has no phrases for ${listed(missing)}; add a list for each`));
  }
  return issues;
}

export const PROMPT_VALIDATIONS: readonly Validation[] = [sources, template, phrases];
