import { type Issue, issueAt, listed, type Path } from '../schema/issue.ts';
import { allocationSchema, quotaSchema } from '../schema/spec.ts';
import { type Axes, checkAxisName, checkCell, checkValue } from './axes.ts';
import { type DraftSpec, entries, isWhole, soundItems, withDefault } from './draft.ts';
import { asKeys, countOf, isKnown, namesOf, type Rule, type Validation, withKnown, withName } from './rule.ts';

/** `spec.quota.allocation`: the strategy and its parameters. */

const ALLOCATION: Path = ['spec', 'quota', 'allocation'];
/** Each parameter and the strategy that it belongs to. */
const PARAMETERS = {
  shares: 'Marginals',
  cells: 'Cells',
  cohort: 'Complement',
  table: 'Table',
  evaluation: 'Deficit',
} as const;
type Parameter = keyof typeof PARAMETERS;
/** Tolerance of the sum of the shares of an axis: rounding by a person. */
const ROUNDING = 1e-6;

type DraftQuota = DraftSpec['quota'];
type DraftAllocation = NonNullable<NonNullable<DraftQuota>['allocation']>;
type DraftColumns = NonNullable<DraftAllocation['table']>['columns'];

/** The strategy, also when it is left out; null when it is not one, or where there is no quota. */
export const strategyOf = (quota: DraftQuota) =>
  quota && quota.allocation !== null ? withDefault(quota.allocation?.strategy, allocationSchema.shape.strategy) : null;

const strategy: Validation = {
  check: ({ quota }) => {
    const chosen = strategyOf(quota);
    if (chosen === null) return [];
    return (Object.entries(PARAMETERS) as [Parameter, string][]).flatMap(([field, owner]) => {
      const given = quota?.allocation?.[field] !== undefined;
      if ((chosen === owner) === given) return [];
      const fault = given
        ? `belongs to strategy ${owner}, not ${chosen}; remove it or change the strategy`
        : `is required by strategy ${owner}`;
      return [issueAt([...ALLOCATION, field], fault)];
    });
  },
  cel: {
    'quota.allocation': Object.entries(PARAMETERS).flatMap(([field, owner]): Rule[] => [
      {
        rule: `self.strategy != '${owner}' || has(self.${field})`,
        message: `is required by strategy ${owner}`,
        fieldPath: `.${field}`,
        reason: 'FieldValueRequired',
      },
      {
        rule: `self.strategy == '${owner}' || !has(self.${field})`,
        message: `belongs to strategy ${owner}; remove it or change the strategy`,
        fieldPath: `.${field}`,
        reason: 'FieldValueForbidden',
      },
    ]),
  },
};

const shares: Validation = {
  check: ({ quota }, axes) =>
    entries(quota?.allocation?.shares).flatMap(([axis, shares]) => checkShares(axes, axis, shares)),
  cel: {
    quota: [
      {
        rule: '!has(self.allocation.shares) || self.allocation.shares.all(name, name in self.axes)',
        message: 'names an axis that spec.quota.axes does not have',
        fieldPath: '.allocation.shares',
      },
      {
        rule: `!has(self.allocation.shares) || self.allocation.shares.all(name, !(name in self.axes) ||
(${countOf('self.axes[name]')} == self.allocation.shares[name].size() &&
${namesOf('self.axes[name]')}.all(value, value in self.allocation.shares[name])))`,
        message: 'must have one share for each value of its axis (0 is allowed), and no other',
        fieldPath: '.allocation.shares',
      },
    ],
    'quota.allocation.shares.*': [
      {
        rule: '[self.map(value, self[value]).sum()].all(total, total > 0.999999 && total < 1.000001)',
        message: 'the shares of an axis must add up to 1',
      },
    ],
  },
};

function checkShares(
  axes: Axes | null,
  axis: string,
  shares: Readonly<Record<string, number | null | undefined>> | null | undefined,
): Issue[] {
  const path = [...ALLOCATION, 'shares', axis];
  const unknown = checkAxisName(axes, axis, path);
  if (unknown.length > 0) return unknown;
  const known = axes?.get(axis);
  const issues = entries(shares).flatMap(([value]) => checkValue(axes, axis, value, [...path, value]));
  if (!known || !shares || !isWhole(shares)) return issues;
  const missing = known.values.filter((value) => !Object.hasOwn(shares, value));
  const total = Object.values(shares as Record<string, number>).reduce((sum, share) => sum + share, 0);
  if (missing.length > 0) {
    issues.push(issueAt(path, `has no share for ${listed(missing)}; give each value one (0 is allowed)`));
  } else if (Math.abs(total - 1) > ROUNDING) {
    issues.push(issueAt(path, `adds up to ${Number(total.toPrecision(8))}; the shares of an axis must add up to 1`));
  }
  return issues;
}

const cells: Validation = {
  check: ({ quota }, axes) =>
    soundItems(quota?.allocation?.cells).flatMap(([i, { cell }]) =>
      checkCell(axes, cell, [...ALLOCATION, 'cells', i, 'cell']),
    ),
  cel: {
    quota: [
      {
        rule: `!has(self.allocation.cells) || ${withKnown('self.axes', `self.allocation.cells.all(entry, ${isKnown('entry.cell')})`)}`,
        message: 'names an axis or a value that spec.quota.axes does not have',
        fieldPath: '.allocation.cells',
      },
    ],
  },
};

/** A cohort may know fewer axes than the quota; a table must know all of them. */
const columns: Validation = {
  check: ({ quota }, axes) => [
    ...checkColumns(axes, quota?.allocation?.cohort?.columns, [...ALLOCATION, 'cohort', 'columns'], false),
    ...checkColumns(axes, quota?.allocation?.table?.columns, [...ALLOCATION, 'table', 'columns'], true),
  ],
  cel: {
    quota: [
      ...(['cohort', 'table'] as const).flatMap((source): Rule[] => {
        const [given, columns] = [`has(self.allocation.${source})`, `self.allocation.${source}.columns`];
        return [
          {
            rule: `!${given} || ${columns}.all(name, name in self.axes)`,
            message: 'names an axis that spec.quota.axes does not have',
            fieldPath: `.allocation.${source}.columns`,
          },
          {
            rule: `!${given} || ${columns}.all(name, !has(${columns}[name].values) || !(name in self.axes) || !has(self.axes[name].bins))`,
            message: 'gives values for an axis that has bins, where a number finds its own; remove them',
            fieldPath: `.allocation.${source}.columns`,
          },
        ];
      }),
      {
        rule: '!has(self.allocation.table) || self.axes.all(name, name in self.allocation.table.columns)',
        message: 'must name for each axis the column that holds it',
        fieldPath: '.allocation.table.columns',
      },
    ],
    'quota.allocation.cohort.columns': [
      { rule: 'self.size() > 0', message: 'is empty; name the column of at least one axis' },
    ],
  },
};

function checkColumns(axes: Axes | null, columns: DraftColumns, path: Path, complete: boolean): Issue[] {
  if (!columns) return [];
  const issues = entries(columns).flatMap(([axis, column]) => {
    const at = [...path, axis];
    const unknown = checkAxisName(axes, axis, at);
    return unknown.length > 0 ? unknown : checkColumn(axes, axis, column?.values, at);
  });
  for (const axis of complete && axes ? axes.keys() : []) {
    if (!Object.hasOwn(columns, axis)) {
      issues.push(issueAt([...path, axis], `is required: name the column that holds the ${axis} of each row`));
    }
  }
  if (!complete && Object.keys(columns).length === 0) {
    issues.push(issueAt(path, 'is empty; name the column of at least one axis'));
  }
  return issues;
}

function checkColumn(
  axes: Axes | null,
  axis: string,
  values: Readonly<Record<string, string | null | undefined>> | null | undefined,
  path: Path,
): Issue[] {
  if (axes?.get(axis)?.numeric && values !== undefined) {
    const message = `means nothing here: axis ${axis} has bins, and a number finds its own; remove it`;
    return [issueAt([...path, 'values'], message)];
  }
  return checkValues(axes, axis, values, [...path, 'values']);
}

/** Issues of a map from what a file says to values of an axis. */
function checkValues(
  axes: Axes | null,
  axis: string,
  values: Readonly<Record<string, string | null | undefined>> | null | undefined,
  path: Path,
): Issue[] {
  return entries(values).flatMap(([text, value]) =>
    typeof value === 'string' ? checkValue(axes, axis, value, [...path, text]) : [],
  );
}

const EVALUATION: Path = [...ALLOCATION, 'evaluation'];
const HAS_EVALUATION = 'has(self.allocation.evaluation)';

/** The part of an evaluation that the resource itself decides; the planner judges the file. */
const evaluation: Validation = {
  check: checkEvaluation,
  cel: {
    quota: [
      {
        rule: `!${HAS_EVALUATION} || 'finding' in self.axes`,
        message: 'needs an axis finding, whose values are what a model can miss; add one or change the strategy',
        fieldPath: '.allocation.evaluation',
      },
      {
        rule: `!${HAS_EVALUATION} || !has(self.allocation.evaluation.groups) || self.allocation.evaluation.groups.all(name, name in self.axes && name != 'finding')`,
        message: 'names an axis that spec.quota.axes does not have, or finding, which belongs into labels',
        fieldPath: '.allocation.evaluation.groups',
      },
      {
        rule: `!${HAS_EVALUATION} || !has(self.allocation.evaluation.labels) || !('finding' in self.axes) ||
${withName('known', asKeys(namesOf("self.axes['finding']")), 'self.allocation.evaluation.labels.all(value, value in known)')}`,
        message: 'names a value that the axis finding does not have',
        fieldPath: '.allocation.evaluation.labels',
      },
      {
        rule: `!${HAS_EVALUATION} || !has(self.allocation.evaluation.maxPerCell) || self.allocation.evaluation.maxPerCell >= self.minPerCell`,
        message: 'is below spec.quota.minPerCell; raise it or lower the other',
        fieldPath: '.allocation.evaluation.maxPerCell',
      },
    ],
    'quota.allocation.evaluation': [
      {
        rule: '(!has(self.groups) || self.groups.size() > 0) && (!has(self.labels) || self.labels.size() > 0)',
        message: 'groups or labels are empty; name at least one, or leave them out for what both have by name',
      },
    ],
  },
};

function checkEvaluation({ quota }: DraftSpec, axes: Axes | null): Issue[] {
  const given = quota?.allocation?.evaluation;
  if (!given) return [];
  const issues: Issue[] = [];
  if (axes && !axes.has('finding')) {
    const message = 'needs an axis finding, whose values are what a model can miss; add one or change the strategy';
    issues.push(issueAt(EVALUATION, message));
  }
  for (const [axis, group] of entries(given.groups)) {
    const at = [...EVALUATION, 'groups', axis];
    if (axis === 'finding') issues.push(issueAt(at, 'is not a group: map findings in labels; remove it'));
    else issues.push(...checkAxisName(axes, axis, at), ...checkValues(axes, axis, group?.values, [...at, 'values']));
  }
  for (const [finding] of entries(given.labels))
    issues.push(...checkValue(axes, 'finding', finding, [...EVALUATION, 'labels', finding]));
  for (const field of ['groups', 'labels'] as const) {
    const map = given[field];
    if (!map || Object.keys(map).length > 0) continue;
    issues.push(
      issueAt([...EVALUATION, field], 'is empty; name at least one, or leave it out for what both have by name'),
    );
  }
  const least = withDefault(quota.minPerCell, quotaSchema.shape.minPerCell) ?? 0;
  const { maxPerCell } = given;
  if (typeof maxPerCell === 'number' && maxPerCell < least) {
    const message = `${maxPerCell} is below spec.quota.minPerCell (${least}); raise it or lower the other`;
    issues.push(issueAt([...EVALUATION, 'maxPerCell'], message));
  }
  return issues;
}

export const ALLOCATION_VALIDATIONS: readonly Validation[] = [strategy, shares, cells, columns, evaluation];
