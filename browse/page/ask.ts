import { useEffect, useState } from 'preact/hooks';
import type { Problem } from '../../contract/browse.ts';

/** Asking the server. */

export type Asked<T> =
  | { readonly state: 'waiting' }
  | { readonly state: 'answered'; readonly value: T }
  | { readonly state: 'failed'; readonly problem: string };

/** @throws Error with a message for people */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, signal ? { signal } : {}).catch((cause: Error) => {
    if (cause.name === 'AbortError') throw cause;
    throw new Error('The server does not answer: is "cohortfarm browse" still running?', { cause });
  });
  const body = (await response.json()) as T | Problem;
  if (!response.ok) throw new Error((body as Problem).error);
  return body as T;
}

/** The answer to a path; while another one is awaited, none. A null path asks nothing. */
export function useAsked<T>(path: string | null): Asked<T> {
  const [answer, setAnswer] = useState<{ path: string | null; asked: Asked<T> }>({
    path: null,
    asked: { state: 'waiting' },
  });
  useEffect(() => {
    if (path === null) return;
    const controller = new AbortController();
    ask<T>(path, controller.signal).then(
      (value) => setAnswer({ path, asked: { state: 'answered', value } }),
      (error: Error) => {
        if (!controller.signal.aborted) setAnswer({ path, asked: { state: 'failed', problem: error.message } });
      },
    );
    return () => controller.abort();
  }, [path]);
  return answer.path === path ? answer.asked : { state: 'waiting' };
}

/** A path with its query. */
export const pathOf = (path: string, query: Readonly<Record<string, string>>): string =>
  `${path}?${new URLSearchParams(query)}`;
