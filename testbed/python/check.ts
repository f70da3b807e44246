import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { virtualPython } from '../../cli/train/venv.ts';
import { REPO } from '../../test/support/cli.ts';

/** Lint and types of our own Python, as ruff.toml and mypy.ini say; part of `npm run check:lint`. */

const python = await virtualPython({
  name: 'python-checks',
  requirements: [join(import.meta.dirname, 'requirements.txt')],
});
for (const args of ['ruff check --quiet', 'mypy --no-error-summary']) {
  const { status } = spawnSync(python, ['-m', ...args.split(' ')], { cwd: REPO, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
