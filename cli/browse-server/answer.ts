import type { ServerResponse } from 'node:http';
import type { Problem } from '../../browse/wire.ts';

/** Answers and the headers that all of them have. */

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array | string;
  /** Whether the browser may keep it: only what never changes. */
  readonly lasts?: boolean;
}

export const json = (value: unknown): Answer => ({
  status: 200,
  type: 'application/json',
  body: JSON.stringify(value),
});

export const problem = (status: number, error: string): Answer => ({
  status,
  type: 'application/json',
  body: JSON.stringify({ error } satisfies Problem),
});

/**
 * The page runs its own script, loads its own style sheet and images and asks its own server, nothing else; what is not the
 * page may do nothing at all. Trusted Types keep text from ever becoming markup.
 */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox";

export function send(response: ServerResponse, answer: Answer, { isHead }: { isHead: boolean }): void {
  const body = Buffer.from(answer.body as string);
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': body.length,
    'cache-control': answer.lasts ? 'private, max-age=3600, immutable' : 'no-store',
    'content-security-policy': answer.type.startsWith('text/html') ? PAGE_POLICY : OTHER_POLICY,
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    ...(answer.status === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(isHead ? undefined : body);
}

/** The requested object is not there: 404. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError';
}

/** The request makes no sense: 400. */
export class BadRequestError extends Error {
  override readonly name = 'BadRequestError';
}
