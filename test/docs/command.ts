import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { REPO } from '../support/cli.ts';

/**
 * The command `cohortfarm` while lines of the pages are run. Commands that export a model run a stub of the exporter, which
 * checks their arguments; `browse` ends once its page is served.
 */

const args = process.argv.slice(2);
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
