import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { ModelError } from './errors.ts';

/** Reading a model folder, which is not trusted: sizes are limited and every value is checked before use. */

const MIB = 2 ** 20;

/** @throws ModelError that names every file that is missing */
export async function requireFiles(dir: string, paths: readonly string[]): Promise<void> {
  const found = await Promise.all(paths.map((path) => exists(dir, path)));
  const missing = paths.filter((_, i) => !found[i]);
  if (missing.length === 0) return;
  throw new ModelError(
    `${dir} lacks ${missing.join(', ')}; a model folder has the diffusers layout exported to ONNX (optimum-cli export onnx)`,
  );
}

export async function exists(dir: string, path: string): Promise<boolean> {
  return (await stat(join(dir, path)).catch(() => null))?.isFile() ?? false;
}

/** @throws ModelError that names the file when it cannot be read or is larger than the limit */
export async function readText(dir: string, path: string, limit = 64 * MIB): Promise<string> {
  const file = join(dir, path);
  try {
    const { size } = await stat(file);
    if (size > limit)
      throw new ModelError(`${file} has ${size} bytes, more than the ${limit} that such a file may have`);
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(`${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** A JSON file of known form. @throws ModelError that names the file and each field at fault */
export async function readJson<T>(dir: string, path: string, schema: z.ZodType<T>, limit = MIB): Promise<T> {
  const file = join(dir, path);
  let value: unknown;
  try {
    value = parsePythonJson(await readText(dir, path, limit));
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(`${file} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
  throw new ModelError(`${file} is not valid: ${issues.slice(0, 8).join('; ')}`);
}

/** JSON as Python writes it, with NaN and infinities; NaN becomes null. */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // A string that does not end runs to the end of the text: searched on from each of its characters, it would take for ever.
    const repaired = text.replace(/"(?:[^"\\]|\\[\s\S]?)*(?:"|$)|-?Infinity|NaN/g, (token) => {
      if (token.startsWith('"')) return token;
      if (token === 'NaN') return 'null';
      return token.startsWith('-') ? '-1e999' : '1e999';
    });
    if (repaired === text) throw error;
    return JSON.parse(repaired);
  }
}
