import { type Issue, issueAt, listed, type Path } from '../schema/issue.ts';
import { allocationSchema, axisValue, quotaSchema } from '../schema/spec.ts';
import { type Axes, checkAxisName, checkCell, checkValue } from './check-quota.ts';
import { items, member, members, sound } from './salvage.ts';

/** The meaning of `spec.quota.allocation`: the strategy and what it needs. */

const BASE: Path = ['spec', 'quota', 'allocation'];
const PARAMETER = { Marginals: 'shares', Cells: 'cells', Complement: 'cohort', Table: 'table' } as const;
/** How far the shares of an axis may be from 1 together: what a person rounds away. */
const ROUNDING = 1e-6;

const strategySchema = allocationSchema.shape.strategy;

/** The strategy, also when it is left out; undefined when it is none. */
export const strategyOf = (quota: unknown) => sound(strategySchema, member(quota, 'allocation', 'strategy'));

export function checkAllocation(quota: unknown, axes: Axes | null): Issue[] {
  const allocation = member(quota, 'allocation');
  return [
    ...checkStrategy(quota),
    ...members(member(allocation, 'shares')).flatMap(([axis, shares]) => checkShares(axes, axis, shares)),
    ...items(member(allocation, 'cells')).flatMap(([i, entry]) =>
      checkCell(axes, member(entry, 'cell'), [...BASE, 'cells', i, 'cell']),
    ),
    ...checkColumns(axes, member(allocation, 'cohort', 'columns'), [...BASE, 'cohort', 'columns'], false),
    ...checkColumns(axes, member(allocation, 'table', 'columns'), [...BASE, 'table', 'columns'], true),
  ];
}

function checkStrategy(quota: unknown): Issue[] {
  const strategy = strategyOf(quota);
  if (strategy === undefined || typeof quota !== 'object' || quota === null) return [];
  const issues: Issue[] = [];
  for (const [owner, field] of Object.entries(PARAMETER)) {
    const given = member(quota, 'allocation', field) !== undefined;
    if (strategy === owner && !given) issues.push(issueAt([...BASE, field], `is required by strategy ${owner}`));
    if (strategy !== owner && given) {
      const fix = 'remove it or change the strategy';
      issues.push(issueAt([...BASE, field], `belongs to strategy ${owner}, not ${strategy}; ${fix}`));
    }
  }
  if (strategy !== 'Table' && member(quota, 'samples') === undefined) {
    issues.push(issueAt(['spec', 'quota', 'samples'], 'is required; write a whole number of images'));
  }
  const least = sound(quotaSchema.shape.minPerCell, member(quota, 'minPerCell')) ?? 0;
  if (strategy === 'Table' && least > 0) {
    issues.push(issueAt(['spec', 'quota', 'minPerCell'], 'means nothing with strategy Table; remove it'));
  }
  return issues;
}

function checkShares(axes: Axes | null, axis: string, shares: unknown): Issue[] {
  const path = [...BASE, 'shares', axis];
  const unknown = checkAxisName(axes, axis, path);
  if (unknown.length > 0) return unknown;
  const known = axes?.get(axis);
  const form = sound(allocationSchema.shape.shares.unwrap().valueType, shares);
  const issues = members(shares).flatMap(([value]) => checkValue(axes, axis, value, [...path, value]));
  if (!known || !form) return issues;
  const missing = known.values.filter((value) => !Object.hasOwn(form, value));
  const total = Object.values(form).reduce((sum, share) => sum + share, 0);
  if (missing.length > 0) {
    issues.push(issueAt(path, `has no share for ${listed(missing)}; give each value one (0 is allowed)`));
  } else if (Math.abs(total - 1) > ROUNDING) {
    issues.push(issueAt(path, `adds up to ${Number(total.toPrecision(8))}; the shares of an axis must add up to 1`));
  }
  return issues;
}

function checkColumns(axes: Axes | null, columns: unknown, path: Path, complete: boolean): Issue[] {
  if (typeof columns !== 'object' || columns === null) return [];
  const issues = members(columns).flatMap(([axis, column]) => {
    const at = [...path, axis];
    const unknown = checkAxisName(axes, axis, at);
    return unknown.length > 0 ? unknown : checkColumn(axes, axis, column, at);
  });
  for (const axis of complete && axes ? axes.keys() : []) {
    if (!Object.hasOwn(columns, axis)) {
      issues.push(issueAt([...path, axis], `is required: name the column that holds the ${axis} of each row`));
    }
  }
  if (!complete && members(columns).length === 0) {
    issues.push(issueAt(path, 'is empty; name the column of at least one axis'));
  }
  return issues;
}

function checkColumn(axes: Axes | null, axis: string, column: unknown, path: Path): Issue[] {
  const values = members(member(column, 'values'));
  if (axes?.get(axis)?.numeric && member(column, 'values') !== undefined) {
    return [
      issueAt([...path, 'values'], `means nothing here: axis ${axis} has bins, and a number finds its own; remove it`),
    ];
  }
  return values.flatMap(([text, raw]) => {
    const value = sound(axisValue, raw);
    return value === undefined ? [] : checkValue(axes, axis, value, [...path, 'values', text]);
  });
}
