import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A group of processes of its own for the kubelet, so that it never touches those of another one on this machine. */

const MOUNT = '/sys/fs/cgroup';

const PREFIX = 'cohortfarm-test-';

export interface Cgroup {
  readonly name: string;
  /** When nothing runs in it any more. */
  remove(): Promise<void>;
}

/** Makes the group in every hierarchy. @throws Error where this process may not */
export async function makeCgroup(): Promise<Cgroup> {
  const name = `${PREFIX}${process.pid}`;
  const parents = await hierarchies();
  for (const parent of parents) await removeLeftOver(parent);
  const folders = parents.map((parent) => join(parent, name));
  for (const folder of folders) await mkdir(folder);
  for (const folder of folders) await allow(folder);
  return {
    name,
    remove: async () => {
      for (const folder of folders) await removeAll(folder);
    },
  };
}

/** Groups of test runs that were killed. */
async function removeLeftOver(parent: string): Promise<void> {
  for (const name of (await readdir(parent)).filter((entry) => entry.startsWith(PREFIX))) {
    if (await exists(`/proc/${name.slice(PREFIX.length)}`)) continue;
    // One that can't be removed belongs to a process that is still alive.
    await removeAll(join(parent, name)).catch(() => undefined);
  }
}

/** One in cgroup v2; one for each controller in v1. */
async function hierarchies(): Promise<string[]> {
  const isOne = await exists(join(MOUNT, 'cgroup.controllers'));
  if (isOne) return [MOUNT];
  const names = await readdir(MOUNT);
  const found = names.map((name) => join(MOUNT, name));
  const isHierarchy = await Promise.all(found.map((folder) => exists(join(folder, 'cgroup.procs'))));
  return found.filter((_, index) => isHierarchy[index]);
}

/** By v1 and v2. All containers together are one group: with the usual weight they would starve beside other processes. */
const WEIGHTS = [
  { file: 'cpu.shares', value: '20480' },
  { file: 'cpu.weight', value: '2000' },
];

/** Lets groups below it use what it may use: by v2 a switch, by v1 for CPU sets alone. */
async function allow(folder: string): Promise<void> {
  for (const { file, value } of WEIGHTS)
    if (await exists(join(folder, file))) await writeFile(join(folder, file), value);
  const controllers = join(folder, 'cgroup.controllers');
  if (await exists(controllers)) {
    const names = (await readFile(controllers, 'utf8')).trim().split(' ').filter(Boolean);
    if (names.length > 0)
      await writeFile(join(folder, 'cgroup.subtree_control'), names.map((name) => `+${name}`).join(' '));
  }
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (!(await exists(join(folder, file))) || (await exists(controllers))) continue;
    await writeFile(join(folder, file), await readFile(join(folder, '..', file)));
  }
}

async function removeAll(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeAll(join(folder, entry.name));
  }
  await rmdir(folder);
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
