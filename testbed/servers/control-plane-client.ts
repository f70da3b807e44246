import { type Agent, request } from 'node:https';

/** The least that speaks to an API server: what it answers, as it answers it. */

export interface Access {
  /** Such as https://127.0.0.1:34567. */
  readonly url: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string;
  readonly token: string;
}

export interface Answer<T = KubeObject> {
  readonly code: number;
  /** The object, or the Status that says why there is none. */
  readonly body: T & Pick<KubeObject, 'message'>;
}

/** An object of the API server; tests read only parts of it. */
export interface KubeObject {
  readonly metadata?: { readonly name?: string; readonly generation?: number };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: unknown;
  /** Message of a Status, which explains why there is no object. */
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field: string; readonly message: string }[] };
}

const TIMEOUT_MS = 20_000;

/** The method and body of a call. */
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
export function callApi<T = KubeObject>(access: Access, path: string, call: Call = {}): Promise<Answer<T>> {
  const { method = 'GET', contentType = 'application/json', body, agent = false } = call;
  const text = body === undefined ? '' : JSON.stringify(body);
  // Said here, because Node says no length for DELETE by itself, and the body would get lost.
  const length = { 'content-length': Buffer.byteLength(text) };
  const headers = { authorization: `Bearer ${access.token}`, 'content-type': contentType, ...length };
  const { promise, resolve, reject } = Promise.withResolvers<Answer<T>>();
  const outgoing = request(
    new URL(path, access.url),
    { method, headers, ca: access.ca, timeout: TIMEOUT_MS, agent },
    (incoming) => {
      let answer = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        answer += chunk;
      });
      incoming.on('error', reject);
      incoming.on('end', () => resolve({ code: incoming.statusCode ?? 0, body: parsed(answer) as Answer<T>['body'] }));
    },
  );
  outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer within ${TIMEOUT_MS} ms`)));
  outgoing.on('error', reject);
  outgoing.end(text);
  return promise;
}

/** Health checks and errors of the connection answer in plain text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}
