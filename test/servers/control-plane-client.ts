import { type Agent, request } from 'node:https';

/** The least that speaks to an API server: what it answers, as it answers it. */

export interface Access {
  /** Such as https://127.0.0.1:34567. */
  readonly url: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string;
  readonly token: string;
}

export interface Answer {
  readonly code: number;
  /** The object, or the Status that says why there is none. */
  readonly body: KubeObject;
}

/** An object of the API server; tests read only parts of it. */
export interface KubeObject {
  readonly metadata?: { readonly name?: string; readonly generation?: number };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: unknown;
  /** Of a Status, which says why there is no object. */
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field: string; readonly message: string }[] };
}

const TIMEOUT_MS = 20_000;

/** What a call sends. */
export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly contentType?: string;
  readonly body?: unknown;
  /** Keeps connections between many calls; by default each has its own. */
  readonly agent?: Agent;
}

export const APPLY = 'application/apply-patch+yaml';
export const MERGE = 'application/merge-patch+json';

/** Calls the API server; rejects only when there is no answer. */
export function callApi(access: Access, path: string, call: Call = {}): Promise<Answer> {
  const { method = 'GET', contentType = 'application/json', body, agent = false } = call;
  const headers = { authorization: `Bearer ${access.token}`, 'content-type': contentType };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(
    new URL(path, access.url),
    { method, headers, ca: access.ca, timeout: TIMEOUT_MS, agent },
    (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.on('error', reject);
      incoming.on('end', () => resolve({ code: incoming.statusCode ?? 0, body: parsed(text) }));
    },
  );
  outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer within ${TIMEOUT_MS} ms`)));
  outgoing.on('error', reject);
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

/** Health checks and errors of the connection answer in plain text. */
function parsed(text: string): KubeObject {
  try {
    return JSON.parse(text) as KubeObject;
  } catch {
    return { message: text };
  }
}
