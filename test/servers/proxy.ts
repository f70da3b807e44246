import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { pipeline, Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** A way to a server that can be made slow or cut, so that a program meets a bad network. */
export interface Proxy {
  /** Port on the loopback address. */
  readonly port: number;
  /** Holds every piece of data back for so many milliseconds from now on; 0 lets it pass. */
  delay(ms: number): void;
  /** Lets nothing pass until `release`: connections open and hang. */
  hold(): void;
  release(): void;
  /** Breaks all connections; new ones may be made. */
  cut(): void;
  stop(): Promise<void>;
}

/** Starts a proxy to a port on the loopback address. It ends with this process. */
export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  let held: PromiseWithResolvers<void> | null = null;
  const gate = () =>
    new Transform({
      transform: (chunk, _encoding, done) => {
        void (async () => {
          if (delayMs > 0) await sleep(delayMs);
          await held?.promise;
          done(null, chunk);
        })();
      },
    });
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, upstream]) keep(socket);
    // Either end may break at any time: both go then, and nobody else has to be told.
    pipeline(client, gate(), upstream, (error) => void (error && client.destroy()));
    pipeline(upstream, gate(), client, (error) => void (error && upstream.destroy()));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const release = () => {
    held?.resolve();
    held = null;
  };
  return {
    port: address.port,
    delay: (ms) => {
      delayMs = ms;
    },
    hold: () => {
      held ??= Promise.withResolvers<void>();
    },
    release,
    cut,
    stop: async () => {
      release();
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
