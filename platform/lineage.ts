import { appendFile } from 'node:fs/promises';
import { UsageError } from '../contract/failure.ts';
import { redact } from './redact.ts';

/** Sinks of OpenLineage events: a file with a line for each, or a server. */

export interface LineageSink {
  /** Never rejects: lineage does not decide whether a dataset is grown. Resolves with the fault; null when it is taken. */
  emit(event: object): Promise<LineageFault | null>;
}

export interface LineageFault {
  readonly message: string;
  /** Whether the same event will never be taken. */
  readonly isFinal: boolean;
}

const TIMEOUT_MS = 5000;

export interface LineageTarget {
  /** A URL such as http://marquez:5000, or a file. */
  readonly target: string;
  /** The option or variable that names it. */
  readonly setting: string;
  /** Sent as a bearer token. */
  readonly apiKey?: string | undefined;
}

/** The address of a server; null for what is none. It is printed, so it carries no secret: those have a place of their own. */
export function parseLineageUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url && /^https?:$/.test(url.protocol) && url.href === url.origin + url.pathname ? url : null;
}

/** @throws UsageError for a URL of another kind, or what cannot be a key */
export function openLineage({ target, setting, apiKey }: LineageTarget): LineageSink {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(target))
    return { emit: (event) => outcome(appendFile(target, `${JSON.stringify(event)}\n`)) };
  const url = parseLineageUrl(target);
  if (!url)
    throw new UsageError(
      `${setting}: ${JSON.stringify(redact(target).replace(/[?#].*/s, ''))} is neither a file nor the address of an OpenLineage server; write http://HOST:PORT, without user, password or query, and a key into OPENLINEAGE_API_KEY`,
    );
  const key = apiKey?.trim();
  if (key && !/^[\x21-\x7e]+$/.test(key))
    throw new UsageError(
      'OPENLINEAGE_API_KEY is not a key: it has a line break, a space or a letter beyond ASCII inside',
    );
  if (url.pathname === '/') url.pathname = '/api/v1/lineage';
  const headers = { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) };
  return { emit: (event) => outcome(post(url, headers, JSON.stringify(event)), [key]) };
}

async function post(url: URL, headers: Record<string, string>, body: string): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  // A redirect that is followed makes a GET without the event.
  const answer = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' });
  await answer.body?.cancel();
  if (!answer.ok) throw new AnswerError(url, answer);
}

/** Answers that say nothing of the event: credentials, a place where the server is not yet, time limits. */
const PASSING = [401, 403, 404, 408, 429];

class AnswerError extends Error {
  readonly isFinal: boolean;
  constructor(url: URL, { status, headers }: Response) {
    const location = headers.get('location');
    const elsewhere = location !== null && URL.canParse(location, url.href) ? new URL(location, url) : null;
    const hint = elsewhere ? ` and points to ${elsewhere.origin}${elsewhere.pathname}; write that address` : '';
    super(`${url.origin} answers ${status}${hint}`);
    this.isFinal = status >= 400 && status < 500 && !PASSING.includes(status);
  }
}

const outcome = (sent: Promise<void>, secrets: readonly (string | undefined)[] = []): Promise<LineageFault | null> =>
  sent.then(
    () => null,
    (error: Error) => {
      const { message, cause } = error;
      const isFinal = error instanceof AnswerError && error.isFinal;
      return { message: redact(`${message}${cause instanceof Error ? `: ${cause.message}` : ''}`, secrets), isFinal };
    },
  );
