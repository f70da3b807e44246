import { type Bin, parseBin } from '../plan/grid.ts';
import { placeholders } from '../plan/prompts.ts';
import { type Issue, show } from './issue.ts';
import type { Gate, Prompt, Quality, Quota } from './spec.ts';

/** What a section's schema cannot say: how its fields, and the sections, belong together. */

type Axes = Quota['axes'];

const valuesOf = (axes: Axes, name: string): readonly string[] => axes[name]?.values ?? axes[name]?.bins ?? [];

export function checkQuota(quota: Quota): Issue[] {
  const issues = Object.entries(quota.axes).flatMap(([name, axis]) => checkAxis(name, axis));
  if (Object.keys(quota.axes).length === 0) {
    issues.push({
      path: 'spec.quota.axes',
      message: 'is empty; name at least one axis, such as sex: {values: [female, male]}',
    });
  }
  quota.exclude.forEach((cell, i) => {
    issues.push(...checkCell(quota.axes, cell, `spec.quota.exclude[${i}]`));
    if (Object.keys(cell).length === 0) {
      issues.push({
        path: `spec.quota.exclude[${i}]`,
        message: 'is empty and would exclude every cell; remove it or name an axis',
      });
    }
  });
  return [...issues, ...checkAllocation(quota)];
}

function checkAxis(name: string, axis: Axes[string]): Issue[] {
  const path = `spec.quota.axes.${name}`;
  if ((axis.values === undefined) === (axis.bins === undefined)) {
    const found = axis.values ? 'has both values and bins' : 'has neither values nor bins';
    return [{ path, message: `${found}; give exactly one of the two` }];
  }
  if (axis.values) return duplicates(axis.values, `${path}.values`);
  return checkBins(axis.bins!, `${path}.bins`);
}

function duplicates(list: readonly string[], path: string): Issue[] {
  return list.flatMap((value, i) =>
    list.indexOf(value) < i ? [{ path: `${path}[${i}]`, message: `${show(value)} is listed twice; remove one` }] : [],
  );
}

function checkBins(texts: readonly string[], path: string): Issue[] {
  const issues: Issue[] = [];
  const bins: (Bin & { i: number; text: string })[] = [];
  texts.forEach((text, i) => {
    const bin = parseBin(text);
    if (bin.high < bin.low) {
      issues.push({
        path: `${path}[${i}]`,
        message: `${show(text)} ends before it begins; write "${bin.high}-${bin.low}"`,
      });
    } else bins.push({ ...bin, i, text });
  });
  bins.sort((a, b) => a.low - b.low || a.high - b.high);
  for (let k = 1; k < bins.length; k++) {
    const [below, above] = [bins[k - 1]!, bins[k]!];
    if (above.low <= below.high) {
      issues.push({
        path: `${path}[${above.i}]`,
        message: `${show(above.text)} overlaps ${show(below.text)} (both ends are included); begin it at ${below.high + 1}`,
      });
    }
  }
  return issues;
}

function checkCell(axes: Axes, cell: Readonly<Record<string, string>>, path: string): Issue[] {
  return Object.entries(cell).flatMap(([name, value]) => checkValue(axes, name, value, `${path}.${name}`));
}

function checkValue(axes: Axes, name: string, value: string, path: string): Issue[] {
  if (!(name in axes)) {
    return [{ path, message: `there is no axis ${show(name)}; the axes are ${Object.keys(axes).sort().join(', ')}` }];
  }
  const values = valuesOf(axes, name);
  if (values.includes(value)) return [];
  return [
    { path, message: `${show(value)} is no value of axis ${name}; its values are ${values.slice(0, 20).join(', ')}` },
  ];
}

const PARAMETER = { Marginals: 'shares', Cells: 'cells', Complement: 'cohort', Table: 'table' } as const;

function checkAllocation(quota: Quota): Issue[] {
  const { allocation, axes } = quota;
  const base = 'spec.quota.allocation';
  const issues: Issue[] = [];
  for (const [strategy, field] of Object.entries(PARAMETER)) {
    if (allocation.strategy === strategy && allocation[field] === undefined) {
      issues.push({ path: `${base}.${field}`, message: `is required by strategy ${strategy}` });
    }
    if (allocation.strategy !== strategy && allocation[field] !== undefined) {
      issues.push({
        path: `${base}.${field}`,
        message: `belongs to strategy ${strategy}, not ${allocation.strategy}; remove it or change the strategy`,
      });
    }
  }
  if (quota.samples === undefined && allocation.strategy !== 'Table') {
    issues.push({ path: 'spec.quota.samples', message: 'is required (a whole number of images)' });
  }
  if (allocation.shares) issues.push(...checkShares(allocation.shares, axes, `${base}.shares`));
  allocation.cells?.forEach((entry, i) => {
    issues.push(...checkCell(axes, entry.cell, `${base}.cells[${i}].cell`));
  });
  for (const field of ['cohort', 'table'] as const) {
    const columns = allocation[field]?.columns;
    if (columns) issues.push(...checkColumns(columns, axes, `${base}.${field}.columns`, field === 'table'));
  }
  return issues;
}

function checkShares(
  shares: Readonly<Record<string, Readonly<Record<string, number>>>>,
  axes: Axes,
  path: string,
): Issue[] {
  return Object.entries(shares).flatMap(([name, byValue]) => {
    if (!(name in axes)) return checkValue(axes, name, '', `${path}.${name}`);
    const unknown = Object.keys(byValue).flatMap((value) =>
      checkValue(axes, name, value, `${path}.${name}[${show(value)}]`),
    );
    const missing = valuesOf(axes, name).filter((value) => !(value in byValue));
    const total = Object.values(byValue).reduce((sum, share) => sum + share, 0);
    const issues = [...unknown];
    if (missing.length > 0) {
      issues.push({
        path: `${path}.${name}`,
        message: `has no share for ${missing.join(', ')}; give each value one (0 is allowed)`,
      });
    } else if (Math.abs(total - 1) > 1e-6) {
      issues.push({
        path: `${path}.${name}`,
        message: `adds up to ${Number(total.toPrecision(8))}; shares of an axis must add up to 1`,
      });
    }
    return issues;
  });
}

function checkColumns(
  columns: NonNullable<Quota['allocation']['cohort']>['columns'],
  axes: Axes,
  path: string,
  complete: boolean,
): Issue[] {
  const issues = Object.entries(columns).flatMap(([name, column]) => {
    if (!(name in axes)) return checkValue(axes, name, '', `${path}.${name}`);
    return Object.entries(column.values ?? {}).flatMap(([text, value]) =>
      checkValue(axes, name, value, `${path}.${name}.values[${show(text)}]`),
    );
  });
  for (const name of Object.keys(axes)) {
    if (complete && !(name in columns)) {
      issues.push({ path: `${path}.${name}`, message: `is required: the table must say the ${name} of each row` });
    }
  }
  if (Object.keys(columns).length === 0)
    issues.push({ path, message: 'is empty; name the column of at least one axis' });
  return issues;
}

export function checkPrompt(prompt: Prompt): Issue[] {
  if (prompt.impressions && prompt.impressionsFrom) {
    return [
      {
        path: 'spec.prompt.impressionsFrom',
        message: 'impressions are given twice; remove this or spec.prompt.impressions',
      },
    ];
  }
  return [];
}

export function checkPromptAgainstQuota(prompt: Prompt, quota: Quota): Issue[] {
  const issues: Issue[] = [];
  const path = 'spec.prompt.template';
  const names = placeholders(prompt.template);
  for (const name of names) {
    if (name !== 'impression' && !(name in quota.axes)) {
      issues.push({
        path,
        message: `{${name}} is no axis; use ${[...Object.keys(quota.axes), 'impression'].map((n) => `{${n}}`).join(', ')}`,
      });
    }
  }
  const fromTable = quota.allocation.table?.impressionColumn !== undefined;
  if (names.includes('impression') && !fromTable && !prompt.impressionsFrom) {
    const missing = valuesOf(quota.axes, 'finding').filter((value) => !prompt.impressions?.[value]);
    if (!('finding' in quota.axes)) {
      issues.push({ path, message: '{impression} needs an axis "finding" (or a table with impressionColumn)' });
    } else if (missing.length > 0) {
      issues.push({
        path: 'spec.prompt.impressions',
        message: `has no phrases for ${missing.join(', ')}; add a list for each`,
      });
    }
  }
  for (const value of Object.keys(prompt.impressions ?? {})) {
    if ('finding' in quota.axes)
      issues.push(...checkValue(quota.axes, 'finding', value, `spec.prompt.impressions[${show(value)}]`));
  }
  return issues;
}

export function checkQuality(quality: Quality, quota: Quota): Issue[] {
  const names = quality.gates.map((gate) => gate.name);
  return [
    ...duplicates(names, 'spec.quality.gates').map((issue) => ({ ...issue, path: `${issue.path}.name` })),
    ...quality.gates.flatMap((gate, i) => checkGate(gate, quota.axes, `spec.quality.gates[${i}]`)),
  ];
}

function checkGate(gate: Gate, axes: Axes, path: string): Issue[] {
  if (!(gate.axis in axes)) return checkValue(axes, gate.axis, '', `${path}.axis`);
  const issues: Issue[] = (gate.appliesTo ?? []).flatMap((value, i) =>
    checkValue(axes, gate.axis, value, `${path}.appliesTo[${i}]`),
  );
  if (gate.type === 'Regressor') {
    if (!axes[gate.axis]!.bins)
      issues.push({
        path: `${path}.type`,
        message: `a Regressor judges numbers, but axis ${gate.axis} has values; use a Classifier or give the axis bins`,
      });
    if (gate.tolerance === undefined)
      issues.push({
        path: `${path}.tolerance`,
        message: 'is required for a Regressor, in the unit of its axis, such as 16 (years)',
      });
    return issues;
  }
  if (gate.tolerance !== undefined)
    issues.push({ path: `${path}.tolerance`, message: 'belongs to a Regressor; use minProbability' });
  const judged = gate.appliesTo ?? valuesOf(axes, gate.axis);
  const missing = gate.classes ? judged.filter((value) => !gate.classes!.includes(value)) : [];
  if (missing.length > 0) {
    issues.push({
      path: `${path}.classes`,
      message: `has no class ${missing.join(', ')} of axis ${gate.axis}; add it or limit appliesTo`,
    });
  }
  return issues;
}
