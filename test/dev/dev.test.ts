import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { missingForPods } from '../../testbed/available.ts';
import { until } from '../../testbed/replica.ts';
import { REPO, runCli } from '../support/cli.ts';

/** `npm run dev`, as a contributor uses it. */

describe('npm run dev', { skip: await missingForPods() }, () => {
  let dev: ChildProcess;
  let output = '';
  const env: Record<string, string> = {};

  before(async () => {
    dev = spawn('setpriv', ['--pdeathsig', 'TERM', process.execPath, 'testbed/dev.ts'], {
      cwd: REPO,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    dev.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    await until('the farm is ready', async () => output.includes('Ctrl-C stops everything'), 300_000);
    for (const [, name, value] of output.matchAll(/^export (\w+)=(.*)$/gm)) env[name!] = value!;
  });
  after(async () => {
    if (dev.exitCode !== null) return;
    dev.kill('SIGINT');
    await once(dev, 'exit');
  });

  test('applies a dataset that the printed environment shows', async () => {
    const shown = await until('the dataset is listed', async () => {
      const { code, stdout } = await runCli(['status', 'demo', '--json'], env);
      return code === 0 && stdout;
    });
    assert.equal(JSON.parse(shown).dataset.name, 'demo');
  });

  test('restarts the operator when its sources change', async () => {
    await utimes(join(REPO, 'operator/main.ts'), new Date(), new Date());
    await until('the restart is reported', async () => /changed: the operator restarts/.test(output));
    const { code } = await runCli(['status', 'demo'], env);
    assert.equal(code, 0);
  });

  test('stops everything on Ctrl-C', async () => {
    dev.kill('SIGINT');
    const [code] = await once(dev, 'exit');
    assert.equal(code, 0);
    await assert.rejects(fetch(env.AWS_ENDPOINT_URL_S3!));
  });
});
