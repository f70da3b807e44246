import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { UsageError } from '../../contract/failure.ts';
import { type ColumnMap, columnSchema } from '../../contract/schema/spec.ts';

const columnsSchema = z.record(z.string().min(1).max(64), columnSchema);

/** The columns that a YAML file names. @throws UsageError that names the field */
export async function readColumns(file: string | undefined): Promise<ColumnMap> {
  if (file === undefined) return {};
  let value: unknown;
  try {
    value = parse(await readFile(file, 'utf8'), { maxAliasCount: 100 });
  } catch (cause) {
    throw new UsageError(`--columns: ${file} cannot be read: ${(cause as Error).message.split('\n')[0]}`, { cause });
  }
  const parsed = columnsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`);
  throw new UsageError(`--columns: ${file}: ${issues.join('; ')}; write image: {name: HEADER}`);
}
