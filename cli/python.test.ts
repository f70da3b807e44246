import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { REPO } from '../test/support/cli.ts';

/** A command whose Python waits, in a process of its own. */
async function started(code: string) {
  const program = `
    import { runPython } from ${JSON.stringify(`${REPO}/cli/python.ts`)};
    process.exitCode = await runPython('python3', ['-c', ${JSON.stringify(code)}], {});`;
  const command = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = once(command, 'exit');
  const [pid] = await once(command.stdout, 'data');
  return { command, end, python: Number(pid) };
}

const WAIT = 'import os, time; print(os.getpid()); time.sleep(60)';

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const) {
  test(`${signal} reaches Python, and the command exits with ${code} once it has ended`, async () => {
    const { command, end, python } = await started(
      `import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); ${WAIT}`,
    );
    command.kill(signal);
    assert.deepEqual(await end, [code, null]);
    assert.throws(() => process.kill(python, 0), { code: 'ESRCH' });
  });
}

for (const [signal, code] of [
  ['SIGKILL', 137],
  ['SIGSEGV', 139],
] as const) {
  test(`a Python that ${signal} ends is reported as ${code}`, async () => {
    const { end, python } = await started(WAIT);
    process.kill(python, signal);
    assert.deepEqual(await end, [code, null]);
  });
}
