import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { REPO } from '../support/cli.ts';

const run = promisify(execFile);

test('the committed definition is what the schemas generate', async () => {
  const { stderr } = await run(process.execPath, ['crds/generate.ts', '--check'], { cwd: REPO });
  assert.equal(stderr, '');
});
