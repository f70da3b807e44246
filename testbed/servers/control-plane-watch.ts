import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Access, callApi } from './control-plane-client.ts';

/** The fields that every listed object has. */
export interface Listed {
  readonly metadata: { readonly uid: string; readonly resourceVersion?: string };
}

export interface Follower<T extends Listed> {
  /** An object as it is now: new, changed, or repeated. */
  onObject(object: T): void;
  onGone(object: T): void;
}

interface List<T> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly T[];
}

const RETRY_MS = 200;

/** Reports the contents of a list and its changes, until `signal`; it survives restarts of the API server. */
export async function follow<T extends Listed>(
  access: Access,
  path: string,
  { onObject, onGone }: Follower<T>,
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, T>();
  const tell = (object: T) => {
    known.set(object.metadata.uid, object);
    onObject(object);
  };
  const forget = (object: T) => {
    if (known.delete(object.metadata.uid)) onGone(object);
  };
  while (!signal.aborted) {
    try {
      const { code, body } = await callApi<List<T>>(access, path);
      if (code !== 200) throw new Error(`cannot list ${path}: ${code}`);
      const there = new Set(body.items.map(({ metadata }) => metadata.uid));
      for (const object of [...known.values()]) if (!there.has(object.metadata.uid)) forget(object);
      for (const object of body.items) tell(object);
      for await (const { type, object } of watch<T>(access, path, body.metadata.resourceVersion, signal)) {
        if (type === 'DELETED') forget(object);
        else tell(object);
      }
    } catch {
      // It is listed again: what was missed meanwhile shows then.
    }
    if (!signal.aborted) await sleep(RETRY_MS);
  }
}

interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'ERROR';
  readonly object: T;
}

async function* watch<T>(
  access: Access,
  path: string,
  version: string,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  const url = new URL(path, access.url);
  url.searchParams.set('watch', '1');
  url.searchParams.set('resourceVersion', version);
  const headers = { authorization: `Bearer ${access.token}` };
  const outgoing = request(url, { headers, ca: access.ca, agent: false, signal }).end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  for await (const line of createInterface({ input: incoming })) {
    const event = JSON.parse(line) as WatchEvent<T>;
    if (event.type === 'ERROR') return;
    yield event;
  }
}
