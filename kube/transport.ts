import http from 'node:http';
import https from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { networkError, refusalError } from './errors.ts';

/**
 * HTTP to the API server. The library finds out where it is and how to prove who we are (in a pod, from a kubeconfig, by
 * token file, client certificate or plugin); the requests are our own, because its typed calls drop fields that they do not
 * know, turn some dates into objects, have no time limits, and make a connection of their own for each call.
 */

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  /** For messages, such as `get Job default/a`. */
  readonly action: string;
  readonly accept?: string;
  readonly contentType?: string;
  /** Sent as JSON. */
  readonly body?: object | undefined;
  readonly signal: AbortSignal;
}

/**
 * Sends a call and gives the answer as it comes in, once its status is good.
 * @throws KubeError otherwise, or without an answer before the signal
 */
export type Transport = (call: Call) => Promise<http.IncomingMessage>;

/** Bound on connections, so that a storm of calls waits here and not at the API server. Watches count, too. */
const MAX_CONNECTIONS = 64;
/** Longest answer that says why there is none. */
const MAX_REFUSAL_BYTES = 64 * 1024;

/** @param program how it names itself to the API server, whose audit log shows it */
export function createTransport(config: KubeConfig, program = 'cohortfarm'): Transport {
  const cluster = config.getCurrentCluster()!;
  const server = new URL(cluster.server);
  const lib = server.protocol === 'http:' ? http : https;
  // Certificates are options of each request, so that a renewed one is used as soon as it is there.
  const agent = new lib.Agent({ keepAlive: true, keepAliveMsecs: 15_000, maxSockets: MAX_CONNECTIONS });

  const attempt = async (call: Call): Promise<http.IncomingMessage> => {
    const options: https.RequestOptions = { headers: {} };
    await config.applyToHTTPSOptions(options);
    if (!cluster.proxyUrl) options.agent = agent;
    const text = call.body === undefined ? undefined : JSON.stringify(call.body);
    Object.assign(options, { method: call.method, signal: call.signal });
    options.headers = { ...options.headers, ...headersOf(call, text), 'user-agent': program };
    const url = new URL(server.pathname.replace(/\/$/, '') + call.path, server);
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const outgoing = lib.request(url, options, resolve);
    outgoing.on('error', (error) => reject(Object.assign(error, { stale: outgoing.reusedSocket })));
    outgoing.end(text);
    return promise;
  };

  return async (call) => {
    try {
      const answer = await attempt(call).catch((error: Error & { code?: string; stale?: boolean }) => {
        // The server closed an idle connection just when it was used again: nothing was received there.
        if (error.stale && error.code === 'ECONNRESET' && call.method !== 'POST') return attempt(call);
        throw error;
      });
      if (answer.statusCode !== undefined && answer.statusCode < 300) return answer;
      const refusal = { code: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'] };
      throw refusalError(call.action, { ...refusal, text: await textOf(answer, MAX_REFUSAL_BYTES) });
    } catch (error) {
      throw networkError(call.action, call.signal.aborted ? (call.signal.reason ?? error) : error);
    }
  };
}

function headersOf(call: Call, text: string | undefined): Record<string, string | number> {
  return {
    accept: call.accept ?? 'application/json',
    ...(text === undefined
      ? {}
      : { 'content-type': call.contentType ?? 'application/json', 'content-length': Buffer.byteLength(text) }),
  };
}

/** The body as text; what goes beyond `limit` bytes is left out. */
export async function textOf(answer: http.IncomingMessage, limit = Number.POSITIVE_INFINITY): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= limit) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
