import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Stands between a client and an S3 server: counts what is asked and answered, and can take longer, as a network does. */

export interface CountingProxy {
  readonly endpoint: string;
  /** Milliseconds that each request waits before it is passed on. */
  delay: number;
  /** Since the last call. */
  take(): { requests: number; bytes: number; largest: number };
  close(): void;
}

export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  let [requests, bytes, largest] = [0, 0, 0];
  const server = createServer(async (incoming, response) => {
    requests++;
    if (proxy.delay > 0) await sleep(proxy.delay);
    const { method, url, headers } = incoming;
    const outgoing = request({ hostname, port, method, path: url, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length;
      });
      answer.on('end', () => {
        bytes += size;
        largest = Math.max(largest, size);
      });
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: CountingProxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    delay: 0,
    take() {
      const taken = { requests, bytes, largest };
      [requests, bytes, largest] = [0, 0, 0];
      return taken;
    },
    close() {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
  return proxy;
}
