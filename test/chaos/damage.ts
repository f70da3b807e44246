import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pick } from './random.ts';

/**
 * Flips bits of a stored part of a shard that is not committed yet, behind the store's back, as a disk does.
 * @param folder that holds `_work/` and `records/`
 * @returns the part's name; null where there is none
 */
export async function damagePart(folder: string, random: () => number): Promise<string | null> {
  const names = await readdir(join(folder, '_work'), { recursive: true }).catch(() => []);
  const records = new Set(await readdir(join(folder, 'records')).catch(() => []));
  const open = names.filter((name) => name.endsWith('.tar') && !records.has(`${name.split('/')[0]}.json`));
  const name = pick(open.sort(), random);
  if (name === undefined) return null;
  return (await flipBits(join(folder, '_work', name), random)) ? name : null;
}

async function flipBits(path: string, random: () => number): Promise<boolean> {
  const file = await open(path, 'r+').catch(() => null); // Removed by a publisher meanwhile.
  if (!file) return false;
  try {
    const { size } = await file.stat();
    if (size === 0) return false;
    const byte = Buffer.alloc(1);
    for (let i = 0; i < 8; i++) {
      const at = Math.floor(random() * size);
      await file.read(byte, 0, 1, at);
      byte[0]! ^= 1 << Math.floor(8 * random());
      await file.write(byte, 0, 1, at);
    }
    return true;
  } finally {
    await file.close();
  }
}
