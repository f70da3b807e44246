import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { serverFolder, startOnFreePort } from './process.ts';
import { type GoTool, goTool } from './tools.ts';

export const natsTool: GoTool = {
  module: 'nats',
  versionOf: 'github.com/nats-io/nats-server/v2',
  package: 'github.com/nats-io/nats-server/v2',
  name: 'nats-server',
};

/** A real NATS server with JetStream on the loopback address, with its streams in a temporary folder. */
export interface NatsServer {
  /** Such as nats://127.0.0.1:34567. */
  readonly url: string;
  /** Ends the server and removes its streams. */
  stop(): Promise<void>;
  /** Ends the server at once and keeps its streams until `stop`. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same streams, whether it was killed or still runs. */
  restart(): Promise<void>;
  /** Starts it again on the same port with no streams: what it had stored is gone. */
  loseDisk(): Promise<void>;
  /** Lets no connection get an answer until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/**
 * Starts nats-server, built on the first call. The server and its data do not outlive this process for
 * long.
 * @param config more settings, in the server's own form
 */
export async function startNats(config = ''): Promise<NatsServer> {
  const command = await goTool(natsTool);
  const folder = await serverFolder('nats');
  const data = join(folder, 'data');
  const file = join(folder, 'nats.conf');
  await writeFile(file, config);
  // Asked for by name, so that no other server on that port can pass for this one.
  const name = `test-${randomBytes(8).toString('hex')}`;
  const { port, server } = await startOnFreePort((port) => ({
    command,
    args: [
      '--config',
      file,
      '--addr',
      '127.0.0.1',
      '--port',
      String(port),
      '--name',
      name,
      '--jetstream',
      '--store_dir',
      data,
    ],
    isReady: async () => {
      const info = await greeting(port);
      return info.includes(name) && info.includes('"jetstream":true');
    },
  }));
  return {
    url: `nats://127.0.0.1:${port}`,
    kill: server.kill,
    restart: server.restart,
    loseDisk: async () => {
      await server.kill();
      await rm(data, { recursive: true, force: true });
      await server.restart();
    },
    pause: server.pause,
    resume: server.resume,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The INFO line of a NATS server: one line of JSON. */
async function greeting(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  try {
    const [text] = await once(socket, 'data', { signal: AbortSignal.timeout(1000) });
    return String(text);
  } finally {
    socket.destroy();
  }
}
