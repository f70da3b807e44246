import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Where the files of this installation lie. In a clone and in an image each source is run as it is; in the npm package
 * all JavaScript is bundled into dist/ (package/bundle.ts), and the folder of the running file says nothing.
 */

const ROOT = ((): string => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();

const BUNDLED = import.meta.filename.endsWith('.js');

/** Resolves a file that is not a program, given from the root of the repository, to its path. */
export const installedFile = (path: string): string => join(ROOT, path);

/** The path of a program that is started as a process or thread; `package/bundle.ts` finds it by this very call. */
export const installedProgram = (source: string): string =>
  BUNDLED ? join(ROOT, 'dist', source.replace(/\.ts$/, '.js')) : join(ROOT, source);
