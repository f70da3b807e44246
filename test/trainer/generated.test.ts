import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { REPO } from '../support/cli.ts';

const run = promisify(execFile);

test('the JSON Schemas in the trainer are what the contract generates', async () => {
  const { stderr } = await run(process.execPath, ['trainer/generate.ts', '--check'], { cwd: REPO });
  assert.equal(stderr, '');
});
