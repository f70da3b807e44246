import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentOf, expand } from './environment.ts';
import { hostsOf } from './hosts.ts';
import { launch, type Mount, type Process } from './launch.ts';
import type { Sources } from './sources.ts';
import type { Container, Pod } from './types.ts';

/** One start of one container: what its pod says, put into a command, files and variables. */

/** Contents of the images of all containers: paths in a container, and the path on this machine of each. */
export interface Image {
  readonly files: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly workingDir: string;
}

export interface StartedContainer extends Process {
  /** Its termination message file, or the tail of its log; read after it exited. */
  message(exitCode: number): Promise<string>;
}

export interface ContainerStart {
  readonly pod: Pod;
  readonly container: Container;
  readonly sources: Sources;
  /** Paths of the pod's volumes on this machine, by name. */
  readonly volumes: ReadonlyMap<string, string>;
  readonly image: Image;
  /** Folder of this container, kept over its restarts. */
  readonly folder: string;
}

const MESSAGE_BYTES = 4096;
const LOG_BYTES = 2048;
const LOG_LINES = 80;

export const logFile = (folder: string): string => join(folder, 'log');

/** @throws ConfigError for what its environment refers to and is not there; Error when it can't be started */
export async function startContainer(start: ContainerStart): Promise<StartedContainer> {
  const { pod, container, image, folder } = start;
  const root = join(folder, 'root');
  const message = join(folder, 'termination-message');
  const env = await environmentOf(pod, container, {
    sources: start.sources,
    image: { HOSTNAME: pod.spec.hostname ?? pod.metadata.name, ...image.env },
  });
  await mkdir(root, { recursive: true });
  const hosts = join(folder, 'hosts');
  await writeFile(hosts, (await readFile('/etc/hosts', 'utf8')) + hostsOf(pod));
  await rm(message, { force: true });
  await writeFile(message, '');
  // Writable by any user of the container, whatever the umask here is.
  await chmod(message, 0o666);
  const user = { ...pod.spec.securityContext, ...container.securityContext };
  const log = logFile(folder);
  const process = await launch({
    command: commandOf(container, env, image),
    env,
    workingDir: container.workingDir ?? image.workingDir,
    root,
    mounts: [{ source: hosts, target: '/etc/hosts', readOnly: true }, ...mountsOf(start, message)],
    readOnlyRoot: container.securityContext?.readOnlyRootFilesystem ?? false,
    user: user.runAsUser,
    group: user.runAsGroup ?? user.fsGroup,
    log,
  });
  return {
    ...process,
    message: async (exitCode) => {
      const said = await head(message, MESSAGE_BYTES);
      const fallsBack = container.terminationMessagePolicy === 'FallbackToLogsOnError' && exitCode !== 0;
      return said === '' && fallsBack ? tail(log) : said;
    },
  };
}

function commandOf(container: Container, env: Readonly<Record<string, string>>, image: Image): string[] {
  const command = [...(container.command ?? image.entrypoint), ...(container.args ?? [])];
  if (command.length === 0) throw new Error('no command specified');
  return command.map((word) => expand(word, env));
}

function mountsOf({ container, volumes, image }: ContainerStart, message: string): Mount[] {
  const files = Object.entries(image.files).map(([target, source]) => ({ source, target, readOnly: true }));
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, subPath, readOnly = false }) => {
    const source = volumes.get(name);
    if (source === undefined) throw new Error(`volume ${name} of the mount at ${mountPath} is not in the pod`);
    return { source: subPath === undefined ? source : join(source, subPath), target: mountPath, readOnly };
  });
  // A place within another one comes after it.
  mounts.sort((a, b) => a.target.length - b.target.length);
  const target = container.terminationMessagePath ?? '/dev/termination-log';
  return [...files, ...mounts, { source: message, target, readOnly: false }];
}

async function head(path: string, bytes: number): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
}

async function tail(path: string): Promise<string> {
  const text = (await readFile(path)).subarray(-LOG_BYTES).toString();
  return text.split('\n').slice(-LOG_LINES).join('\n');
}
