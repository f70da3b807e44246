import { readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Access } from '../servers/control-plane-client.ts';
import { follow } from '../servers/control-plane-watch.ts';
import { serverFolder } from '../servers/process.ts';
import type { Image } from './container.ts';
import { type Node, type NodeSpec, startNode } from './node.ts';
import { type PodRun, runPod } from './pod.ts';
import type { Pod } from './types.ts';

/** A kubelet for tests: it runs the pods bound to its nodes as local processes, and fails on request. */
export interface ProcessKubelet {
  /** The output of the containers of a pod, by its name or UID; also of pods that are gone. */
  logs(pod: string): Promise<string>;
  /** Names of the pods whose processes may be running. */
  running(): string[];
  /** Ends the processes of a pod with SIGKILL. @throws Error where none runs */
  kill(pod: string): void;
  /** Cuts a node off: the cluster gets no report from it, and its processes keep running. */
  loseNode(name: string): void;
  /** Brings it back; it learns then which of its pods were deleted meanwhile. */
  restoreNode(name: string): void;
  /** Whether images whose name begins so can be pulled. */
  failPulls(imagePrefix: string, fails: boolean): void;
  /** Ends all processes and takes the nodes away. */
  stop(): Promise<void>;
}

export interface KubeletOptions {
  readonly access: Access;
  readonly nodes: readonly NodeSpec[];
  /** Contents of every image besides this machine's /usr: paths in the container, and the path on this machine of each. */
  readonly files?: Readonly<Record<string, string>>;
  /** ENTRYPOINT of the images. */
  readonly entrypoint?: readonly string[];
  /** Environment variables of a pod's image, beside those that all have. */
  readonly env?: (pod: Pod) => Readonly<Record<string, string>>;
}

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

/** Starts it; the processes and nodes do not outlive this process for long. Needs root, for mounts. */
export async function startProcessKubelet(options: KubeletOptions): Promise<ProcessKubelet> {
  const { access } = options;
  const image = await imageOf(options);
  const folder = await serverFolder('kubelet');
  const stopping = new AbortController();
  const nodes = new Map<string, Node>();
  for (const spec of options.nodes) nodes.set(spec.name, await startNode(access, spec, stopping.signal));
  const runs = new Map<string, PodRun>();
  const failing = new Set<string>();
  // Changes that a lost node has missed.
  const missed = new Map<string, { readonly node: string; readonly act: () => void }>();

  function handle(pod: Pod, act: () => void): void {
    const node = nodes.get(pod.spec.nodeName ?? '');
    if (node === undefined) return;
    if (node.isLost()) missed.set(pod.metadata.uid, { node: node.name, act });
    else act();
  }

  function onObject(pod: Pod): void {
    const { uid, deletionTimestamp, deletionGracePeriodSeconds = 30 } = pod.metadata;
    const run = runs.get(uid) ?? begin(pod);
    if (deletionTimestamp !== undefined) run?.delete(deletionGracePeriodSeconds);
  }

  /** Undefined for a pod that was over before anybody here saw it. */
  function begin(pod: Pod): PodRun | undefined {
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return undefined;
    const line = nodes.get(pod.spec.nodeName ?? '')!.line;
    const canPull = (name: string) => ![...failing].some((prefix) => name.startsWith(prefix));
    const ofPod = { ...image, env: { ...image.env, ...options.env?.(pod) } };
    const run = runPod(pod, { line, image: ofPod, folder: join(folder, pod.metadata.uid), canPull });
    runs.set(pod.metadata.uid, run);
    return run;
  }

  const followed = follow<Pod>(
    access,
    '/api/v1/pods?fieldSelector=spec.nodeName!%3D',
    {
      onObject: (pod) => handle(pod, () => onObject(pod)),
      onGone: (pod) => handle(pod, () => runs.get(pod.metadata.uid)?.abandon()),
    },
    stopping.signal,
  );

  const find = (pod: string): PodRun => {
    const found = [...runs.values()].filter(({ pod: { metadata } }) => [metadata.name, metadata.uid].includes(pod));
    const last = found.at(-1);
    if (last === undefined) throw new Error(`no pod ${pod} came to the nodes ${[...nodes.keys()].join(', ')}`);
    return last;
  };
  const nodeOf = (name: string): Node => {
    const node = nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}: there are ${[...nodes.keys()].join(', ')}`);
    return node;
  };

  return {
    logs: async (pod) => {
      const texts = find(pod).logs.map((path) => readFile(path, 'utf8').catch(() => ''));
      return (await Promise.all(texts)).join('');
    },
    running: () => [...runs.values()].filter((run) => run.isRunning()).map(({ pod }) => pod.metadata.name),
    kill: (pod) => {
      const run = find(pod);
      if (!run.isRunning()) throw new Error(`no process of pod ${pod} runs`);
      run.kill();
    },
    loseNode: (name) => nodeOf(name).lose(),
    restoreNode: (name) => {
      nodeOf(name).restore();
      for (const [uid, { node, act }] of [...missed]) {
        if (node !== name) continue;
        missed.delete(uid);
        act();
      }
    },
    failPulls: (imagePrefix, fails) => void (fails ? failing.add(imagePrefix) : failing.delete(imagePrefix)),
    stop: async () => {
      stopping.abort();
      for (const run of runs.values()) run.abandon();
      await Promise.all([followed, ...[...runs.values()].map(({ done }) => done)]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function imageOf({ access, files = {}, entrypoint = [] }: KubeletOptions): Promise<Image> {
  const { hostname, port } = new URL(access.url);
  // Where it is a link, the link has to lead somewhere in the container, too.
  const modules = await realpath(join(REPOSITORY, 'node_modules'));
  return {
    files: { '/app': REPOSITORY, ...(!modules.startsWith(REPOSITORY) && { [modules]: modules }), ...files },
    env: {
      PATH: '/app/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
    },
    entrypoint,
    workingDir: '/app',
  };
}
