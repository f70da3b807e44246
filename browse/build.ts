import { readFile, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { PARTS_CSS } from './parts/style.ts';

/**
 * Builds the page of `cohortfarm browse` into browse/dist/, which is committed: a clone, an image without development
 * packages and an installation without scripts all have it. `--check` fails when what is committed is not what would be
 * built.
 */

const SOURCE = new URL('page/', import.meta.url);
const TARGET = new URL('dist/', import.meta.url);
const COPIED = ['index.html', 'icon.svg'];

async function bundle(): Promise<string> {
  const license = await readFile(new URL('../node_modules/preact/LICENSE', import.meta.url), 'utf8');
  const { outputFiles } = await build({
    entryPoints: [new URL('main.tsx', SOURCE).pathname],
    tsconfig: new URL('tsconfig.json', SOURCE).pathname,
    bundle: true,
    format: 'esm',
    target: 'es2023',
    minifySyntax: true,
    minifyWhitespace: true,
    charset: 'utf8',
    legalComments: 'none',
    banner: { js: `/* Built from browse/page by browse/build.ts. Includes Preact:\n\n${license.trim()}\n*/` },
    write: false,
  });
  return outputFiles[0]!.text;
}

const read = (name: string, folder: URL): Promise<string> => readFile(new URL(name, folder), 'utf8');

const built = new Map([
  ['page.js', await bundle()],
  ['page.css', PARTS_CSS + (await read('page.css', SOURCE))],
]);
for (const name of COPIED) built.set(name, await read(name, SOURCE));
if (process.argv.includes('--check')) {
  const stale: string[] = [];
  for (const [name, text] of built) if ((await read(name, TARGET)) !== text) stale.push(name);
  if (stale.length > 0) {
    process.stderr.write(`browse/dist is stale (${stale.join(', ')}): run npm run generate and commit it\n`);
    process.exitCode = 1;
  }
} else {
  for (const [name, text] of built) await writeFile(new URL(name, TARGET), text);
}
