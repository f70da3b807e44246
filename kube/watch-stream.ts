import type { IncomingMessage } from 'node:http';
import { KubeError, networkError, statusError } from './errors.ts';
import { listSearch } from './list.ts';
import { collectionPath, RESOURCES } from './resources.ts';
import type { RequestMetrics } from './send.ts';
import type { Transport } from './transport.ts';
import type { ListQuery, ObjectMeta } from './types.ts';

/** One watch, from its request to its end. What to do after the end is the watcher's business. */

export interface WatchEvent {
  /** A BOOKMARK only reports the progress of the watch. */
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly metadata: ObjectMeta & { readonly resourceVersion: string };
}

export interface WatchRequest {
  readonly query: ListQuery;
  /** The position that the list, or the previous watch, reached. */
  readonly resourceVersion: string;
  /** After this the watch ends as if the server had ended it. */
  readonly lifetimeMs: number;
  /** Longest silence; API servers send a bookmark each minute. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
  /** Called once the server has begun to answer. */
  readonly onOpen?: () => void;
}

/**
 * The events of one watch, until the server ends it or its lifetime is over.
 * @throws KubeError when it can't begin, breaks, is silent for too long, or reports an error (`gone` for 410)
 */
export type WatchSource = (request: WatchRequest) => AsyncIterable<WatchEvent>;

/** Only metadata: handlers want to know which object has changed, and read it themselves. */
const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
/** For the server to end the watch itself, and for its answer to begin. */
const GRACE_MS = 10_000;

/**
 * The library's informer is not used: it stops for good after one error that is neither 410 nor a timeout, lists never again,
 * asks for no bookmarks, and reconnects every quiet half minute. Its raw watch gives no reason for an answer that is not 200
 * and hides what a handler throws.
 */
export function createWatchSource(transport: Transport, onRequest?: (seen: RequestMetrics) => void): WatchSource {
  return async function* watch({ query, resourceVersion, lifetimeMs, idleMs, signal, onOpen }) {
    const { kind, namespace } = query;
    const action = `watch ${kind} ${namespace ?? 'in all namespaces'}`;
    const search = listSearch(query, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(Math.ceil(lifetimeMs / 1000)),
    });
    const path = `${collectionPath(kind, namespace)}?${search}`;
    const limits = limitsOf(signal, lifetimeMs + GRACE_MS);
    try {
      limits.expect(GRACE_MS, 'no answer');
      const call = { method: 'GET', path, action, accept: METADATA, signal: limits.signal } as const;
      const answer = await measured(onRequest, RESOURCES[kind].plural, transport(call));
      onOpen?.();
      limits.expect(idleMs, 'no event and no bookmark');
      yield* eventsOf(action, answer, () => limits.expect(idleMs, 'no event and no bookmark'));
    } catch (error) {
      if (!limits.isOver()) throw networkError(action, limits.signal.aborted ? limits.signal.reason : error);
    } finally {
      // Also when the reader leaves: closes the connection.
      limits.end();
    }
  };
}

async function measured<T>(
  onRequest: ((seen: RequestMetrics) => void) | undefined,
  resource: string,
  call: Promise<T>,
) {
  const started = performance.now();
  const tell = (code: string) =>
    onRequest?.({ verb: 'watch', resource, code, seconds: (performance.now() - started) / 1000 });
  try {
    const answer = await call;
    tell('200');
    return answer;
  } catch (error) {
    tell(error instanceof KubeError ? error.kind : 'unavailable');
    throw error;
  }
}

/** The two limits of a watch: on silence, and on its whole life. */
function limitsOf(signal: AbortSignal, lifetimeMs: number) {
  const own = new AbortController();
  let over = false;
  const life = setTimeout(() => {
    over = true;
    own.abort();
  }, lifetimeMs);
  let silence: NodeJS.Timeout | undefined;
  return {
    signal: AbortSignal.any([signal, own.signal]),
    isOver: () => over,
    /** Something has to come within `ms`. */
    expect(ms: number, otherwise: string): void {
      clearTimeout(silence);
      silence = setTimeout(() => {
        own.abort(new KubeError('unavailable', { reason: 'Timeout', message: `${otherwise} for ${ms} ms: renewing` }));
      }, ms);
    },
    end(): void {
      clearTimeout(life);
      clearTimeout(silence);
      own.abort();
    },
  };
}

async function* eventsOf(action: string, answer: IncomingMessage, onData: () => void): AsyncGenerator<WatchEvent> {
  answer.setEncoding('utf8');
  let rest = '';
  for await (const chunk of answer as AsyncIterable<string>) {
    onData();
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line !== '') yield eventOf(action, line);
  }
}

function eventOf(action: string, line: string): WatchEvent {
  let event: { type?: string; object?: { metadata?: WatchEvent['metadata'] } };
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw new KubeError('unavailable', { reason: 'NotJson', message: `cannot ${action}: a line is not JSON`, cause });
  }
  if (event.type === 'ERROR') throw statusError(action, event.object);
  const metadata = event.object?.metadata;
  if (metadata?.resourceVersion === undefined || event.type === undefined) {
    throw new KubeError('unavailable', { reason: 'BadEvent', message: `cannot ${action}: an event without a version` });
  }
  return { type: event.type as WatchEvent['type'], metadata };
}
