import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from './process.ts';
import { type GoTool, givenTool } from './tools.ts';

/**
 * Servers in containers, on machines with a Docker engine and for those who ask for them. They use the host's network, so
 * that they listen on the loopback address, on the port that they are told, as the built programs do.
 * Where this was written there is no engine: none of it has ever run in one.
 */

/** What starts one server in a container. */
export interface ContainerStart {
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  /** Folder that the container sees under the same path, as the same user. */
  readonly folder: string;
  /** Runs as root with all capabilities. */
  readonly privileged?: boolean;
  /** Asks the server itself; a rejection counts as not ready. */
  readonly isReady: () => Promise<boolean>;
}

const READY_MS = 60_000;

/**
 * Whether containers take the place of these tools: asked for, and none of the tools is given.
 * @throws Error when they are asked for, and no engine answers
 */
export async function useContainers(tools: readonly GoTool[], env = process.env): Promise<boolean> {
  if (env.COHORTFARM_TEST_CONTAINERS !== '1') return false;
  const given = await Promise.all(tools.map(({ name }) => givenTool(name, env)));
  if (given.some((path) => path !== undefined)) return false;
  const { getContainerRuntimeClient } = await import('testcontainers');
  await getContainerRuntimeClient().catch((cause) => {
    throw new Error('COHORTFARM_TEST_CONTAINERS=1 asks for containers, and no Docker engine answers', { cause });
  });
  return true;
}

/**
 * Starts a server in a container and waits until `isReady` says so. It is removed soon after this process has ended.
 * @throws Error with the server's output when it is not ready within a minute
 */
export async function startContainer(start: ContainerStart): Promise<ServerProcess> {
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers');
  let output = '';
  const container = new GenericContainer(start.image)
    .withNetworkMode('host')
    .withBindMounts([{ source: start.folder, target: start.folder }])
    .withEnvironment(start.env ?? {})
    .withCommand([...start.args])
    .withLogConsumer((stream) =>
      stream.on('data', (text) => {
        output = (output + String(text)).slice(-4000);
      }),
    );
  if (start.privileged) container.withPrivilegedMode();
  else container.withUser(`${process.getuid?.()}:${process.getgid?.()}`);
  const started = await container.start();
  const handle = (await getContainerRuntimeClient()).container.getById(started.getId());
  const ready = async () => {
    for (const deadline = Date.now() + READY_MS; !(await start.isReady().catch(() => false)); await sleep(50)) {
      if (Date.now() < deadline) continue;
      throw new Error(`${start.image} was not ready within ${READY_MS} ms:\n${output}`);
    }
  };
  const kill = async () => {
    const { State } = await handle.inspect();
    if (State.Paused) await handle.unpause();
    if (!State.Running) return;
    await handle.kill();
    await handle.wait();
  };
  const remove = async () => void (await started.stop({ timeout: 5000 }));
  await ready().catch(async (error) => {
    await remove();
    throw error;
  });
  return {
    stop: remove,
    kill,
    restart: async () => {
      await kill();
      await handle.start();
      await ready();
    },
    pause: async () => void (await handle.pause()),
    resume: async () => void ((await handle.inspect()).State.Paused && (await handle.unpause())),
  };
}
