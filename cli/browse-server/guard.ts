import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * Access control. The first segment of every path is a token that only the printed URL contains; a cookie would go to every other
 * server on the same host. A request that arrives under any other host name (DNS rebinding) is refused, whatever
 * it knows.
 */

export const newToken = (): string => randomBytes(24).toString('base64url');

/** The path below the token, or why there is none. */
export type Admission =
  | { readonly path: string; readonly query: URLSearchParams }
  | { readonly status: number; readonly error: string };

export function admit(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  token: string,
  host: string,
): Admission {
  if (!isOurHost(request.headers.host, host))
    return { status: 403, error: 'open the page by its address or as localhost, as printed at the start' };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, error: 'nothing can be changed here' };
  const [, given = '', path, query = ''] = /^\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(request.url ?? '') ?? [];
  if (!isEqual(given, token)) return { status: 404, error: 'use the whole URL that was printed at the start' };
  return { path: path ?? '', query: new URLSearchParams(query) };
}

/** Takes the same time for every wrong token. */
function isEqual(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** A rebound name is never an address, and localhost cannot be rebound. */
function isOurHost(header: string | undefined, host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  const name = (bracketed ?? plain ?? '').toLowerCase();
  return name === 'localhost' || name === host.toLowerCase() || isIP(name) !== 0;
}
