import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { REPO } from '../support/cli.ts';

const run = promisify(execFile);

for (const [what, script] of [
  ['definition', 'crds/generate.ts'],
  ['reference', 'docs/generate.ts'],
] as const) {
  test(`the committed ${what} is what the schemas generate`, async () => {
    const { stderr } = await run(process.execPath, [script, '--check'], { cwd: REPO });
    assert.equal(stderr, '');
  });
}
