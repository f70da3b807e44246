import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { missingPython } from '../../test/support/venv.ts';

const run = promisify(execFile);

const MAKE = `
import { virtualPython } from ${JSON.stringify(import.meta.resolve('./venv.ts'))};
const [file, base] = process.argv.slice(1);
const below = { name: 'below', requirements: [base], installs: [] };
console.log(await virtualPython({ name: 'above', requirements: [file], installs: [], base: below }));
`;

test('processes that want one environment at the same time make it once', {
  skip: await missingPython(),
}, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-venv-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const [file, base] = [join(dir, 'above.txt'), join(dir, 'below.txt')];
  await Promise.all([writeFile(file, '# above\n'), writeFile(base, '# below\n')]);
  const env = { ...process.env, COHORTFARM_CACHE: join(dir, 'cache') };
  const make = () => run(process.execPath, ['--input-type=module-typescript', '-e', MAKE, file, base], { env });
  const results = await Promise.all([make(), make(), make()]);
  const pythons = new Set(results.map(({ stdout }) => stdout.trim()));
  assert.equal(pythons.size, 1);
  const folders = (await readdir(join(dir, 'cache'))).filter((name) => !name.endsWith('.lock')).sort();
  assert.deepEqual(
    folders.map((name) => name.split('-')[1]),
    ['above', 'below'],
  );
  const { stdout } = await run([...pythons][0]!, ['-c', 'import sys; print("\\n".join(sys.path))']);
  assert.ok(stdout.includes(folders[1]!), 'packages of the base are seen');
});
