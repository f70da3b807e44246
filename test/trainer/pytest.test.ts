import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { TRAINER } from '../../cli/train/venv.ts';
import { missingPython } from '../support/venv.ts';
import { trainerPython } from './python.ts';

test("the trainer's own tests pass", { skip: await missingPython() }, async (t) => {
  const python = await trainerPython();
  const child = spawn(python, ['-m', 'pytest', '-q', '--no-header', '-p', 'no:cacheprovider'], {
    cwd: TRAINER,
    env: { ...process.env, PYTHONPATH: TRAINER, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, output);
  t.diagnostic(output.trim().split('\n').at(-1)!);
});
