import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { REPO } from '../support/cli.ts';

export const EXAMPLES = join(REPO, 'examples');

/** The one document of an example, as in the file. */
export async function readExample(name: string): Promise<unknown> {
  return parse(await readFile(join(EXAMPLES, name), 'utf8'));
}
