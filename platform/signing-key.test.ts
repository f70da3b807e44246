import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { commandKey } from './signing-key.ts';

test('a command that does not read the message is judged by how it ends and what it prints', async () => {
  const { publicKey } = generateKeyPairSync('ed25519');
  // More than a pipe holds, so that writing it fails.
  const message = Buffer.alloc(2 ** 20);
  const signing = (command: string) => commandKey('--key-command', command, publicKey).sign(message);
  await assert.rejects(signing('echo no'), /--key-command: the command printed 2 characters/);
  await assert.rejects(signing('exit 3'), /the command failed \(exit code 3\)/);
  await assert.rejects(signing('kill -9 $$'), /the command failed \(SIGKILL\)/);
});
