import { readdirSync } from 'node:fs';

/** Which GPUs there are to spread engines over. */

type Environment = Readonly<Record<string, string | undefined>>;

/** Names that CUDA_VISIBLE_DEVICES takes: those that the environment allows, else all device files; none without a GPU. */
export function visibleDevices(env: Environment = process.env, deviceFiles = filesIn('/dev')): string[] {
  const allowed = env.CUDA_VISIBLE_DEVICES;
  if (allowed !== undefined) return listed(allowed);
  // Set by the device plugin of Kubernetes: UUIDs of GPUs or of their MIG slices. Other values name no single devices.
  const given = listed(env.NVIDIA_VISIBLE_DEVICES ?? '');
  if (given.length > 0 && given.every((name) => /^(GPU|MIG)-/.test(name))) return given;
  const files = deviceFiles.filter((name) => /^nvidia\d+$/.test(name));
  return files.map((_, i) => String(i));
}

/** The environment of the i-th engine (from 0): engines take the devices in turn, and each sees one alone. */
export function deviceEnv(devices: readonly string[], i: number): Record<string, string> {
  return devices.length === 0 ? {} : { CUDA_VISIBLE_DEVICES: devices[i % devices.length]! };
}

const listed = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
