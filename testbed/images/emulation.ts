import { execFile } from 'node:child_process';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unpackedPackages } from '../real/packages.ts';

const run = promisify(execFile);

/** Architectures of images, as engines name them. */
export type Architecture = 'amd64' | 'arm64';

export const OWN_ARCHITECTURE: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';

const HANDLERS = '/proc/sys/fs/binfmt_misc';
const NAME = 'cohortfarm-aarch64';
/** The first 20 bytes of an ELF program for 64-bit ARM, and which of their bits count. */
const MAGIC = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
const MASK = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;

/**
 * Lets the kernel run programs of 64-bit ARM by QEMU's user mode, in every root directory, until the result is called. Needs
 * root. Does nothing where the machine is one, or has such a handler.
 */
export async function emulateArm64(): Promise<() => Promise<void>> {
  const isThere = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  if (OWN_ARCHITECTURE === 'arm64' || (await isThere(join(HANDLERS, 'qemu-aarch64')))) return async () => {};
  if (!(await isThere(join(HANDLERS, 'register')))) await run('mount', ['-t', 'binfmt_misc', 'binfmt_misc', HANDLERS]);
  const qemu = join(await unpackedPackages('qemu-user', ['qemu-user-static']), 'usr/bin/qemu-aarch64-static');
  const remove = () => writeFile(join(HANDLERS, NAME), '-1');
  // Left by a run that was killed.
  if (await isThere(join(HANDLERS, NAME))) await remove();
  // F: the kernel holds the program, so that it need not be in the root directory.
  await writeFile(join(HANDLERS, 'register'), `:${NAME}:M::${MAGIC}:${MASK}:${qemu}:F`);
  return remove;
}
