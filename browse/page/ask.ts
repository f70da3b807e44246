import { useEffect, useState } from 'preact/hooks';
import { type Problem, WHERE } from '../wire.ts';

/** Asking the server. */

export type Asked<T> =
  | { readonly state: 'waiting' }
  | { readonly state: 'answered'; readonly value: T }
  | { readonly state: 'failed'; readonly problem: string };

/** Answers asked for before anybody wanted them. */
const begun = new Map<string, Promise<Response>>();

/** Asks for what will be wanted soon. */
export function askAhead(path: string): void {
  const response = fetch(path);
  response.catch(() => {}); // The caller that awaits it handles the failure.
  begun.set(path, response);
}

/** @throws Error with a message for people */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  const early = begun.get(path);
  begun.delete(path);
  const response = await (early ?? fetch(path, signal ? { signal } : {})).catch((cause: Error) => {
    if (cause.name === 'AbortError') throw cause;
    throw new Error('The server does not answer: is "cohortfarm browse" still running?', { cause });
  });
  const body = (await response.json()) as T | Problem;
  if (!response.ok) throw new Error((body as Problem).error);
  return body as T;
}

/**
 * The answer to a path; while another one is awaited, none. A null path asks nothing. Another `version` asks again, and shows
 * the old answer meanwhile.
 */
export function useAsked<T>(path: string | null, version = 0): Asked<T> {
  const [answer, setAnswer] = useState<{ path: string | null; asked: Asked<T> }>({
    path: null,
    asked: { state: 'waiting' },
  });
  useEffect(() => {
    if (path === null) return;
    const controller = new AbortController();
    ask<T>(path, controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) setAnswer({ path, asked: { state: 'answered', value } });
      },
      (error: Error) => {
        if (!controller.signal.aborted) setAnswer({ path, asked: { state: 'failed', problem: error.message } });
      },
    );
    return () => controller.abort();
  }, [path, version]);
  return answer.path === path ? answer.asked : { state: 'waiting' };
}

export const DATASET = 'api/dataset';

/** The URL of a page of the selected images; the same for the same selection, in whatever order it was made. */
export const samplesPath = (where: Readonly<Record<string, string>>, page: number): string =>
  pathOf('api/samples', { ...whereQuery(where), page: String(page) });

/** Conditions as the server reads them. */
export const whereQuery = (where: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(where)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([axis, value]) => [WHERE + axis, value]),
  );

/** A path with its query. */
export const pathOf = (path: string, query: Readonly<Record<string, string>>): string =>
  `${path}?${new URLSearchParams(query)}`;
