import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { REPO } from '../support/cli.ts';

const run = promisify(execFile);

test('the committed page is what its sources make', async () => {
  await assert.doesNotReject(run(process.execPath, ['browse/build.ts', '--check'], { cwd: REPO }));
});
