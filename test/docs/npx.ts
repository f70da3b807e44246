import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { REPO } from '../support/cli.ts';

/**
 * Replaces `npx` while lines of the pages are run: `npx cohortfarm ...` is this repository's command line. Commands that
 * export run a stub of the exporter, which checks their arguments; `browse` ends once its page is served.
 */

const [program, ...args] = process.argv.slice(2);
if (program !== 'cohortfarm') throw new Error(`npx ${program} is not what the page should say`);
const exports = args[0] === 'model' && ['export', 'optimize', 'export-gate'].includes(args[1]!);
const stub = exports ? ['--python', join(import.meta.dirname, 'exporter-stub.py')] : [];
const child = spawn(process.execPath, [join(REPO, 'cli/main.ts'), ...args, ...stub], {
  stdio: ['ignore', args[0] === 'browse' ? 'pipe' : 'inherit', 'inherit'],
});
let isServed = false;
child.stdout?.on('data', async (text) => {
  const [url] = /http:\/\/\S+/.exec(String(text)) ?? [];
  if (!url) return;
  isServed = (await fetch(url)).ok;
  child.kill('SIGINT');
});
child.on('close', (code) => {
  process.exitCode = isServed ? 0 : (code ?? 1);
});
