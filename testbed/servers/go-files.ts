import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Files that other projects publish with their Go modules, such as their CustomResourceDefinitions. */
export interface GoModule {
  /** Folder below tools/, whose go.mod says the version and whose go.sum the digest. */
  readonly folder: string;
  readonly module: string;
}

/** Folder of the module's files, downloaded on the first call. */
export async function goModuleFolder({ folder, module }: GoModule): Promise<string> {
  const cwd = fileURLToPath(new URL(`tools/${folder}/`, import.meta.url));
  const version = (await readFile(join(cwd, 'go.mod'), 'utf8')).match(new RegExp(`${module} (v\\S+)`))?.[1];
  const { stdout } = await run('go', ['mod', 'download', '-json', `${module}@${version}`], { cwd });
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}
