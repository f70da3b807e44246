import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { pipeline, Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** A way to a server that misbehaves on demand. It forwards bytes; TLS goes through it unread. */
export interface ServerProxy {
  /** The server's address by this way. */
  readonly url: string;
  /** Connections that are open now. */
  readonly connections: number;
  /** Holds every piece of data back for so many milliseconds, until `heal`. */
  delay(ms: number): void;
  /** Holds all data in old connections and new ones, until `heal`; no connection breaks, and nothing is lost. */
  freeze(): void;
  /** Ends all connections, as a server does that has nothing more to say. */
  end(): void;
  /** Breaks all connections; new ones may be made. */
  cut(): void;
  /** Breaks all connections and every new one, until `heal`. */
  refuse(): void;
  heal(): void;
  stop(): Promise<void>;
}

/**
 * Starts a proxy to a server on this machine. It ends with this process.
 * @param server its address, such as https://127.0.0.1:34567
 */
export async function startProxy(server: string): Promise<ServerProxy> {
  const { protocol, hostname, port } = new URL(server);
  const pairs = new Set<readonly [Socket, Socket]>();
  let refusing = false;
  let delayMs = 0;
  let frozen: PromiseWithResolvers<void> | null = null;
  const passage = async () => {
    if (delayMs > 0) await sleep(delayMs);
    await frozen?.promise;
  };
  const listener = createServer({ allowHalfOpen: true }, (near) => {
    if (refusing) {
      near.on('error', () => undefined).resetAndDestroy();
      return;
    }
    const far = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    const pair = [near, far] as const;
    pairs.add(pair);
    near.once('close', () => pairs.delete(pair));
    // Either end may break at any time: both are closed then.
    pipeline(near, gate(passage), far, (error) => void (error && near.destroy()));
    pipeline(far, gate(passage), near, (error) => void (error && far.destroy()));
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  const each = (act: (socket: Socket) => void) => [...pairs].flat().forEach(act);
  const cut = () => each((socket) => socket.resetAndDestroy());
  const heal = () => {
    refusing = false;
    delayMs = 0;
    frozen?.resolve();
    frozen = null;
  };
  return {
    url: `${protocol}//127.0.0.1:${address.port}`,
    get connections() {
      return pairs.size;
    },
    delay: (ms) => {
      delayMs = ms;
    },
    freeze: () => {
      frozen ??= Promise.withResolvers<void>();
    },
    end: () => each((socket) => socket.end()),
    cut,
    refuse: () => {
      refusing = true;
      cut();
    },
    heal,
    stop: async () => {
      heal();
      cut();
      listener.close();
      await once(listener, 'close');
    },
  };
}

/** Lets data, and its end, through when `passage` does. */
function gate(passage: () => Promise<void>): Transform {
  return new Transform({
    transform: (chunk, _encoding, done) => void passage().then(() => done(null, chunk)),
    flush: (done) => void passage().then(() => done()),
  });
}
