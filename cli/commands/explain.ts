import type { Command } from 'commander';
import {
  defaultOf,
  type Field,
  fieldAt,
  fieldsOf,
  limitsOf,
  resourceSchema,
  typeOf,
} from '../../contract/crd/describe.ts';
import type { Structural } from '../../contract/crd/structural.ts';
import { UsageError } from '../../contract/failure.ts';
import { KIND } from '../../contract/names.ts';

/** `cohortfarm explain FIELD`: what a field of the resource is, as the schema describes it. */

export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('Describe a field of the resource: type, default, limits, and the fields below it.')
    .argument('[field]', 'such as spec.quota.axes', 'spec')
    .action((field: string) => {
      process.stdout.write(`${explain(field)}\n`);
    });
}

/** @throws UsageError that names the fields which there are */
export function explain(field: string): string {
  const root = resourceSchema();
  const found = fieldAt(root, namesOf(field, root));
  if (found.schema) return [headOf(found.path || KIND, found.schema), ...tableOf(fieldsOf(found.schema))].join('\n');
  const { path, missing, known } = found;
  const fields = known.length > 0 ? `it has ${known.join(', ')}` : 'it has no fields';
  throw new UsageError(`${path || KIND} has no field ${JSON.stringify(missing)}; ${fields}`);
}

/** `sds.spec.model`, `.spec.gates[0]` and `model` are understood as well. */
function namesOf(field: string, root: Structural): string[] {
  const names = field
    .split('.')
    .map((name) => name.replace(/\[\d*\]$/, ''))
    .filter((name) => name !== '');
  if (/^(sds|syntheticdatasets?)$/i.test(names[0] ?? '')) names.shift();
  const isTop = names.length === 0 || root.properties![names[0]!] !== undefined;
  return isTop || !root.properties!.spec!.properties![names[0]!] ? names : ['spec', ...names];
}

const plain = (value: string): string => value;

function headOf(path: string, schema: Structural): string {
  const value = defaultOf(schema, plain);
  const facts = [typeOf(schema), limitsOf(schema, plain), value && `default ${value}`].filter(Boolean).join('; ');
  const about = schema.description ?? schema.items?.description;
  return `${path}  (${facts})${about ? `\n\n  ${about}` : ''}`;
}

function tableOf(fields: readonly Field[]): string[] {
  const rows = fields.map(({ name, required, schema }) => {
    const value = defaultOf(schema, plain);
    const limits = limitsOf(schema, plain);
    const facts = [required && 'required', value && `default ${value}`, limits].filter(Boolean).join('; ');
    return [name, typeOf(schema), `${schema.description ?? ''}${facts && ` (${facts})`}`.trim()] as const;
  });
  const width = (column: 0 | 1): number => Math.max(...rows.map((row) => row[column].length));
  const lines = rows.map(([name, type, about]) =>
    `  ${name.padEnd(width(0))}  ${type.padEnd(width(1))}  ${about}`.trimEnd(),
  );
  return lines.length === 0 ? [] : ['', 'Fields:', ...lines];
}
