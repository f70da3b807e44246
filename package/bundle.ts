import { globSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

/**
 * Bundles the command line into dist/ for the npm package; `npm pack` runs it. Node strips types from no file below
 * node_modules, so the package holds JavaScript. Packages that npm installs stay outside: they are updated without us.
 */

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

/** Programs that the command line starts by their path, as platform/files.ts is asked for them. */
async function startedPrograms(): Promise<string[]> {
  const sources = globSync('{platform,diffusion,dataset,worker,cli}/**/*.ts', { cwd: ROOT });
  const texts = await Promise.all(sources.map((file) => readFile(join(ROOT, file), 'utf8')));
  const calls = texts.flatMap((text) => [...text.matchAll(/\binstalledProgram\('([^']+)'\)/g)]);
  return [...new Set(calls.map(([, path]) => path!))];
}

await rm(DIST, { recursive: true, force: true });
await build({
  absWorkingDir: ROOT,
  entryPoints: ['cli/main.ts', ...(await startedPrograms())],
  outdir: DIST,
  outbase: ROOT,
  chunkNames: 'shared/[name]-[hash]',
  bundle: true,
  // Commands that only read a dataset must not load ONNX Runtime: what is imported late stays in a file of its own.
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node22',
  charset: 'utf8',
  logLevel: 'warning',
});
