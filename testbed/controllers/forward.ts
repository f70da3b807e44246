import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { pipeline } from 'node:stream';

/** Connections between networks: Unix sockets are files, and so reach from one network namespace into another. */

/** A port of the loopback address, or the path of a Unix socket. */
export type Place = number | string;

const optionsOf = (place: Place) => (typeof place === 'number' ? { host: '127.0.0.1', port: place } : { path: place });

/** Carries each connection that comes to `from` on to `to`. Port 0 is any free one. */
export async function forward(from: Place, to: Place): Promise<Server> {
  const server = createServer((near) => {
    const far = connect(optionsOf(to));
    // When one side closes, the other is closed too.
    pipeline(near, far, near, () => undefined);
  });
  server.listen(optionsOf(from));
  await once(server, 'listening');
  return server;
}

const place = (text: string): Place => (/^\d+$/.test(text) ? Number(text) : text);

// As a program: `node forward.ts FROM TO [FROM TO]...`, until it is ended.
if (import.meta.main) {
  const places = process.argv.slice(2).map(place);
  for (let i = 0; i + 1 < places.length; i += 2) await forward(places[i]!, places[i + 1]!);
}
