import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A network in front of a server that misbehaves on demand. It forwards bytes; TLS goes through it unread. */
export interface BadNetwork {
  /** The server's address with this network in between. */
  readonly url: string;
  /** Connections that are open now. */
  readonly connections: number;
  /** Ends all connections, as a server does that has nothing more to say. */
  end(): void;
  /** Breaks all connections. */
  cut(): void;
  /** Breaks all connections and every new one, until `mend`. */
  refuse(): void;
  /** Lets nothing through any more, in old connections and new ones, until `mend`; nobody is told. */
  freeze(): void;
  mend(): void;
  stop(): Promise<void>;
}

export async function badNetwork(server: string): Promise<BadNetwork> {
  const { hostname, port } = new URL(server);
  let mode: 'good' | 'refusing' | 'frozen' = 'good';
  const pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  const listener = createServer((near) => {
    near.on('error', () => undefined);
    if (mode === 'refusing') return near.resetAndDestroy();
    const far = connect(Number(port), hostname);
    const pair = { near, far };
    pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (data) => to.write(data));
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
      if (mode === 'frozen') from.pause();
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the listener has no port');
  const each = (act: (socket: Socket) => void) => {
    for (const { near, far } of [...pairs]) {
      act(near);
      act(far);
    }
  };
  const cut = () => each((socket) => socket.resetAndDestroy());
  return {
    url: `https://127.0.0.1:${address.port}`,
    get connections() {
      return pairs.size;
    },
    end: () => each((socket) => socket.end()),
    cut,
    refuse: () => {
      mode = 'refusing';
      cut();
    },
    freeze: () => {
      mode = 'frozen';
      each((socket) => socket.pause());
    },
    mend: () => {
      mode = 'good';
      each((socket) => socket.resume());
    },
    async stop() {
      listener.close();
      each((socket) => socket.destroy());
      await once(listener, 'close');
    },
  };
}
