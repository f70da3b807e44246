import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics/metrics.ts';

/** Metrics, and two answers about the operator's health that name what is wrong. */

/** The problem of a part, in words that help; null when there is none. */
export type Check = () => string | null;
export type Checks = Readonly<Record<string, Check>>;

export interface HttpOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  /** Is this process worth keeping? One that fails is restarted, so only what a restart can heal belongs here. */
  readonly healthy: Checks;
  /** Can it do its work right now? */
  readonly ready: Checks;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Resolves once it listens; rejects when the port is taken. */
export async function startHttp({ host, port, metrics, healthy, ready }: HttpOptions): Promise<HttpServer> {
  const pages: Readonly<Record<string, (answer: ServerResponse) => unknown>> = {
    '/healthz': (answer) => report(answer, healthy),
    '/readyz': (answer) => report(answer, ready),
    '/metrics': async (answer) => {
      const text = await metrics.text();
      answer.writeHead(200, { 'content-type': metrics.contentType }).end(text);
    },
  };
  const server = createServer((request, answer) => {
    const page = pages[(request.url ?? '').split('?')[0]!];
    if (!page) return say(answer, 404, `there are ${Object.keys(pages).join(', ')}\n`);
    if (request.method !== 'GET' && request.method !== 'HEAD') return say(answer, 405, 'only GET\n');
    Promise.resolve(page(answer)).catch((error: Error) => say(answer, 500, `${error.message}\n`));
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function report(answer: ServerResponse, checks: Checks): void {
  const problems = Object.entries(checks).flatMap(([part, check]) => {
    const problem = check();
    return problem === null ? [] : `${part}: ${problem}\n`;
  });
  say(answer, problems.length === 0 ? 200 : 503, problems.length === 0 ? 'ok\n' : problems.join(''));
}

function say(answer: ServerResponse, code: number, text: string): void {
  answer.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
}
