import { appendFile } from 'node:fs/promises';
import { UsageError } from '../contract/failure.ts';
import { redact } from './redact.ts';

/** Sinks of OpenLineage events: a file with a line for each, or a server. */

export interface LineageSink {
  /** Never rejects: lineage does not decide whether a dataset is grown. Resolves with what went wrong, if anything did. */
  emit(event: object): Promise<string | null>;
}

const TIMEOUT_MS = 5000;

/**
 * @param target a URL such as http://marquez:5000, or a file
 * @param apiKey sent as a bearer token
 * @throws UsageError for a URL of another kind
 */
export function openLineage(target: string, apiKey?: string): LineageSink {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(target))
    return { emit: (event) => outcome(appendFile(target, `${JSON.stringify(event)}\n`)) };
  const url = URL.canParse(target) ? new URL(target) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '')
    throw new UsageError(
      `--lineage: ${JSON.stringify(redact(target))} is neither a file nor the address of an OpenLineage server; write http://HOST:PORT, and a key into OPENLINEAGE_API_KEY`,
    );
  if (url.pathname === '/') url.pathname = '/api/v1/lineage';
  const headers = { 'Content-Type': 'application/json', ...(apiKey && { Authorization: `Bearer ${apiKey}` }) };
  return { emit: (event) => outcome(post(url, headers, JSON.stringify(event))) };
}

async function post(url: URL, headers: Record<string, string>, body: string): Promise<void> {
  const answer = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`${url.origin} answers ${answer.status}`);
}

const outcome = (sent: Promise<void>): Promise<string | null> =>
  sent.then(
    () => null,
    ({ message, cause }: Error) => redact(`${message}${cause instanceof Error ? `: ${cause.message}` : ''}`),
  );
