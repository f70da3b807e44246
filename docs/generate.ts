import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { defaultOf, limitsOf, resourceSchema, typeOf } from '../contract/crd/describe.ts';
import { IMMUTABLE, MUTABLE } from '../contract/crd/immutable.ts';
import type { Structural } from '../contract/crd/structural.ts';

/**
 * Writes docs/reference.md: every field of the resource, from the schema that the API server judges by. With --check it writes
 * nothing and fails when the page is not what it would write:
 *   node docs/generate.ts [--check]
 */

const file = new URL('reference.md', import.meta.url);

const code = (text: string): string => `\`${text}\``;

const INTRO = [
  '# Reference of the resource',
  '',
  `<!-- Generated from contract/schema/ by ${code('npm run generate')}; do not edit. -->`,
  '',
  `Every field of a ${code('SyntheticDataset')} (${code('cohortfarm.dev/v1alpha1')}), as the API server and the command line read it;`,
  `${code('kubectl explain syntheticdataset.spec --recursive')} says the same. **Bold**: required. ${code('[]')} is each entry of a`,
  `list, ${code('*')} for each key of a map.`,
  '',
  `What decides the images (${IMMUTABLE.map(code).join(', ')}) cannot be changed once the`,
  `resource is there. In these sections ${MUTABLE.map(code).join(', ')} decide no byte of an`,
  'image: like everything else they may be changed at any time.',
  '',
].join('\n');

interface Row {
  readonly path: string;
  readonly required: boolean;
  readonly schema: Structural;
}

/** The fields below a schema, depth first, in the order of the schema. */
function rowsBelow(schema: Structural, path: string): Row[] {
  const required = new Set((schema.required as string[] | undefined) ?? []);
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const at = path === '' ? name : `${path}.${name}`;
    return [{ path: at, required: required.has(name), schema: field }, ...rowsBelow(field, at)];
  });
  const values = schema.additionalProperties ? rowsBelow(schema.additionalProperties, `${path}.*`) : [];
  const entries = schema.items ? rowsBelow(schema.items, `${path}[]`) : [];
  return [...fields, ...values, ...entries];
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replace(/\s+/g, ' ').trim();

function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ path, required, schema }) => {
    const name = required && schema.default === undefined ? `**${code(path)}**` : code(path);
    const limits = limitsOf(schema, code);
    const says = `${schema.description ?? ''}${limits && ` (${limits})`}`;
    return `| ${[name, typeOf(schema), defaultOf(schema, code), says].map(cell).join(' | ')} |`;
  });
  return ['| field | type | default | what it is |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

/** One section for each part of the spec, and one for the status. */
function page(): string {
  const { spec, status } = resourceSchema().properties as Record<'spec' | 'status', Structural>;
  const all: Row[] = Object.entries(spec.properties!).map(([name, field]) => ({
    path: name,
    required: (spec.required as string[]).includes(name),
    schema: field,
  }));
  const parts = all.filter((row) => rowsBelow(row.schema, row.path).length > 0);
  return [
    INTRO,
    `## spec\n\n${tableOf(all)}\n`,
    ...parts.map(({ path, schema }) => `## spec.${path}\n\n${tableOf(rowsBelow(schema, path))}\n`),
    `## status\n\nWritten by the operator.\n\n${tableOf(rowsBelow(status, ''))}\n`,
  ].join('\n');
}

const text = page();
if (!process.argv.includes('--check')) {
  await writeFile(file, text);
} else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
  process.stderr.write(`${fileURLToPath(file)} is stale: run "npm run generate" and commit what it writes\n`);
  process.exitCode = 1;
}
