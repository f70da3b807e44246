import { chmod, chown, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError, fieldOf, type SourceKind, type Sources } from './sources.ts';
import type { DownwardItems, Items, Pod, Projection, Volume } from './types.ts';

/** A file of a volume. */
interface File {
  readonly path: string;
  readonly bytes: Buffer;
  readonly mode?: number;
}

const DEFAULT_MODE = 0o644;

/**
 * Makes the volumes of a pod below a folder; returns the path of each on this machine, by name.
 * @throws ConfigError for what is not there, and for kinds of volumes that the process kubelet does not have
 */
export async function makeVolumes(pod: Pod, folder: string, sources: Sources): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  for (const volume of pod.spec.volumes ?? []) {
    made.set(volume.name, await makeVolume(pod, volume, join(folder, volume.name), sources));
  }
  return made;
}

async function makeVolume(pod: Pod, volume: Volume, path: string, sources: Sources): Promise<string> {
  if (volume.hostPath) return hostPath(volume.hostPath);
  const group = pod.spec.securityContext?.fsGroup;
  await mkdir(path, { recursive: true });
  if (volume.emptyDir) {
    await chmod(path, group === undefined ? 0o777 : 0o2777);
  } else {
    const defaultMode = (volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected)?.defaultMode;
    for (const file of await filesOf(pod, volume, sources)) {
      await writeVolumeFile(path, file, { mode: defaultMode ?? DEFAULT_MODE, group });
    }
  }
  if (group !== undefined) await chown(path, 0, group);
  return path;
}

async function hostPath({ path, type = '' }: NonNullable<Volume['hostPath']>): Promise<string> {
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true });
  const found = await stat(path).catch(() => null);
  if (found === null) throw new ConfigError(`hostPath type check failed: ${path} is not there`);
  return path;
}

async function filesOf(pod: Pod, volume: Volume, sources: Sources): Promise<File[]> {
  const { configMap, secret, downwardAPI, projected, name } = volume;
  if (configMap) return itemsOf('ConfigMap', configMap, sources);
  if (secret) return itemsOf('Secret', { ...secret, name: secret.secretName }, sources);
  if (downwardAPI) return downwardFiles(pod, downwardAPI);
  if (!projected) throw new ConfigError(`the process kubelet can't make the volume ${name}`);
  return (await Promise.all((projected.sources ?? []).map((one) => projectedFiles(pod, one, sources)))).flat();
}

async function projectedFiles(pod: Pod, one: Projection, sources: Sources): Promise<File[]> {
  if (one.configMap) return itemsOf('ConfigMap', one.configMap, sources);
  if (one.secret) return itemsOf('Secret', one.secret, sources);
  if (one.downwardAPI) return downwardFiles(pod, one.downwardAPI);
  if (!one.serviceAccountToken) throw new ConfigError(`the process kubelet can't project ${Object.keys(one)}`);
  const { path, ...request } = one.serviceAccountToken;
  return [{ path, bytes: Buffer.from(await sources.token(request)) }];
}

async function itemsOf(kind: SourceKind, ref: Items & { name: string }, sources: Sources): Promise<File[]> {
  const values = await sources.read(kind, ref);
  if (values === null) return [];
  if (ref.items === undefined) return [...values].map(([path, bytes]) => ({ path, bytes }));
  return ref.items.flatMap(({ key, ...file }) => {
    const bytes = values.get(key);
    if (bytes !== undefined) return [{ ...file, bytes }];
    if (ref.optional) return [];
    throw new ConfigError(`references non-existent ${kind.toLowerCase()} key: ${key}`);
  });
}

function downwardFiles(pod: Pod, { items = [] }: DownwardItems): File[] {
  return items.map(({ fieldRef, ...file }) => {
    if (fieldRef === undefined) throw new ConfigError(`the process kubelet has no resource fields: ${file.path}`);
    return { ...file, bytes: Buffer.from(fieldOf(pod, fieldRef)) };
  });
}

async function writeVolumeFile(
  folder: string,
  { path, bytes, mode }: File,
  standard: { readonly mode: number; readonly group: number | undefined },
): Promise<void> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, bytes);
  // The group of the pod may read what its owner may read.
  await chmod(target, (mode ?? standard.mode) | (standard.group === undefined ? 0 : 0o040));
  if (standard.group !== undefined) await chown(target, 0, standard.group);
}
