import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request } from 'node:https';

/** A way to an API server that answers by itself, on request, as one that is overloaded or broken. */
export interface RefusingProxy {
  /** The API server's address by this way. */
  readonly url: string;
  /** Ends what is open, watches included, and answers every request with 429 or 500, until `heal`. */
  refuse(): void;
  heal(): void;
  /** Requests that were refused so far. */
  readonly refused: number;
  stop(): Promise<void>;
}

export interface RefusingProxyOptions {
  /** Address of the API server. */
  readonly url: string;
  /** Its certificate, which is its own authority, and its key: the proxy shows the same. */
  readonly certificate: string;
  readonly certificateKey: string;
}

const RETRY_AFTER_SECONDS = 1;
/** As an API server says it. */
const REFUSALS = [
  { code: 429, reason: 'TooManyRequests', message: 'the server is currently unable to handle the request' },
  { code: 500, reason: 'InternalError', message: 'etcdserver: request timed out' },
] as const;

/** Starts a proxy to an API server on this machine. It ends with this process. */
export async function startRefusingProxy(options: RefusingProxyOptions): Promise<RefusingProxy> {
  const [cert, key] = await Promise.all([readFile(options.certificate), readFile(options.certificateKey)]);
  const agent = new Agent({ keepAlive: true, ca: cert });
  let [refusing, refused] = [false, 0];

  function answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (refusing) refuseOne(outgoing, REFUSALS[refused++ % REFUSALS.length]!);
    else forward(incoming, outgoing);
  }

  function forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, headers, url } = incoming;
    const onward = request(new URL(url!, options.url), { method, headers, agent }, (reply) => {
      outgoing.writeHead(reply.statusCode!, reply.headers);
      // A watch begins with its headers: nothing may come for a while.
      outgoing.flushHeaders();
      reply.on('error', () => outgoing.destroy());
      reply.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  const server = createServer({ cert, key }, answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    url: `https://127.0.0.1:${address.port}`,
    refuse() {
      refusing = true;
      server.closeAllConnections();
    },
    heal() {
      refusing = false;
    },
    get refused() {
      return refused;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      agent.destroy();
    },
  };
}

function refuseOne(outgoing: ServerResponse, { code, reason, message }: (typeof REFUSALS)[number]): void {
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
  outgoing.writeHead(code, {
    'content-type': 'application/json',
    ...(code === 429 && { 'retry-after': String(RETRY_AFTER_SECONDS) }),
  });
  outgoing.end(JSON.stringify(status));
}
