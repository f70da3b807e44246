import { FIELD_MANAGER } from '../../contract/cluster.ts';
import { isKubeError, KubeError, networkError } from './errors.ts';
import { collectionPath, type Kind, kindOf, objectPath, RESOURCES } from './resources.ts';
import { type Call, type Transport, textOf } from './transport.ts';
import type { DeleteOptions, Kube, KubeObject, ListQuery, ObjectList, Ref, Stored } from './types.ts';

/** One call, for metrics. */
export interface RequestSeen {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'apply' | 'patch' | 'delete';
  /** Plural name, with `/status` for the status. */
  readonly resource: string;
  /** `200` for every call that succeeded, else the kind of its KubeError. */
  readonly code: string;
  readonly seconds: number;
}

export interface KubeOptions {
  readonly transport: Transport;
  /** Of a call, from its first byte to the last of the answer; 15,000 by default. */
  readonly timeoutMs?: number;
  /** Objects in one page of a list; 500 by default. */
  readonly pageSize?: number;
  readonly onRequest?: (seen: RequestSeen) => void;
}

type Verb = RequestSeen['verb'];

/** A call before its time limit is set. */
interface Request extends Omit<Call, 'signal' | 'action'> {
  readonly verb: Verb;
  readonly kind: Kind;
  /** `namespace/name` or the namespace, for messages. */
  readonly target: string;
  readonly subresource?: 'status';
}

/** Of every write: who we are, and that a field which nobody knows is an error. */
const QUERY = `?fieldManager=${FIELD_MANAGER}&fieldValidation=Strict`;

const APPLY = 'application/apply-patch+yaml';
const MERGE_PATCH = 'application/merge-patch+json';

export function createKube(options: KubeOptions): Kube {
  const { transport, timeoutMs = 15_000, pageSize = 500, onRequest } = options;

  const send = async (request: Request): Promise<Record<string, unknown>> => {
    const started = performance.now();
    const action = actionOf(request);
    const seen = (code: string) =>
      onRequest?.({
        verb: request.verb,
        resource: RESOURCES[request.kind].plural + (request.subresource ? `/${request.subresource}` : ''),
        code,
        seconds: (performance.now() - started) / 1000,
      });
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const body = jsonOf(action, await receive(transport, { ...request, action, signal }));
      seen('200');
      return body;
    } catch (error) {
      const wrapped = networkError(action, error);
      seen(wrapped.kind);
      throw wrapped;
    }
  };
  const stored = async <T extends KubeObject>(request: Request): Promise<Stored<T>> =>
    normalised<T>(request.kind, await send(request));

  const patch = <T extends KubeObject>(
    verb: Verb,
    ref: Ref,
    rest: { path: string; contentType: string; body: object },
  ) => stored<T>({ verb, kind: ref.kind, method: 'PATCH', target: nameOf(ref), ...rest });

  return {
    async get<T extends KubeObject>(ref: Ref) {
      try {
        return await stored<T>({
          verb: 'get',
          kind: ref.kind,
          method: 'GET',
          path: objectPath(ref),
          target: nameOf(ref),
        });
      } catch (error) {
        if (isKubeError(error, 'notFound')) return null;
        throw error;
      }
    },
    list: (query) => listAll(send, query, Math.min(pageSize, query.limit ?? pageSize)),
    apply: <T extends KubeObject>(object: T) => {
      const ref = refOf(object);
      const path = `${objectPath(ref)}${QUERY}&force=true`;
      return patch<T>('apply', ref, { path, contentType: APPLY, body: object });
    },
    create: <T extends KubeObject>(object: T) => {
      const ref = refOf(object);
      const path = collectionPath(ref.kind, ref.namespace) + QUERY;
      return stored<T>({ verb: 'create', kind: ref.kind, method: 'POST', path, target: nameOf(ref), body: object });
    },
    async patchStatus(ref, status) {
      // Neither apply nor merge patch looks at the uid when it comes to the status.
      const body = [
        { op: 'test', path: '/metadata/uid', value: ref.uid },
        { op: 'add', path: '/status', value: status },
      ];
      const path = `${objectPath(ref)}/status${QUERY}`;
      const rest = { path, contentType: 'application/json-patch+json', body, subresource: 'status' } as const;
      try {
        return await patch('patch', ref, rest);
      } catch (error) {
        if (!isKubeError(error, 'invalid') || error.fields.length > 0) throw error;
        // A test that fails is refused without naming a field.
        const message = `cannot patch status of ${ref.kind} ${nameOf(ref)}: it is not the object with uid ${ref.uid} any more`;
        throw new KubeError('conflict', { reason: 'AnotherObject', message, cause: error });
      }
    },
    mergePatch: <T extends KubeObject>(ref: Ref, body: object) => {
      return patch<T>('patch', ref, { path: objectPath(ref) + QUERY, contentType: MERGE_PATCH, body });
    },
    async delete(ref, { propagation = 'Background', uid }: DeleteOptions = {}) {
      const body = { propagationPolicy: propagation, ...(uid === undefined ? {} : { preconditions: { uid } }) };
      const request = { verb: 'delete', kind: ref.kind, method: 'DELETE', target: nameOf(ref), body } as const;
      try {
        await send({ ...request, path: objectPath(ref) });
      } catch (error) {
        // A conflict says that another object has the name by now.
        if (!isKubeError(error, 'notFound') && !(uid !== undefined && isKubeError(error, 'conflict'))) throw error;
      }
    },
  };
}

/** The whole body of an answer; that of a broken connection is an error of the call, too. */
async function receive(transport: Transport, call: Call): Promise<string> {
  const answer = await transport(call);
  try {
    return await textOf(answer);
  } catch (error) {
    throw networkError(call.action, call.signal.aborted ? call.signal.reason : error);
  }
}

type Send = (request: Request) => Promise<Record<string, unknown>>;

async function listAll<T extends KubeObject>(send: Send, query: ListQuery, pageSize: number): Promise<ObjectList<T>> {
  try {
    return await listPages<T>(send, query, pageSize);
  } catch (error) {
    // The API server no longer keeps the state of the first page: take all at once.
    if (isKubeError(error, 'gone')) return listPages<T>(send, query, undefined);
    throw error;
  }
}

async function listPages<T extends KubeObject>(
  send: Send,
  query: ListQuery,
  limit: number | undefined,
): Promise<ObjectList<T>> {
  const items: Stored<T>[] = [];
  const { kind, namespace } = query;
  const request = { verb: 'list', kind, method: 'GET', target: namespace ?? 'in all namespaces' } as const;
  for (let next: string | undefined; ; ) {
    const search = listSearch(query, { limit: limit?.toString(), continue: next });
    const accept = query.metadataOnly ? METADATA_LIST : undefined;
    const page = (await send({
      ...request,
      path: `${collectionPath(kind, namespace)}?${search}`,
      ...(accept === undefined ? {} : { accept }),
    })) as { items?: Record<string, unknown>[]; metadata?: { continue?: string; resourceVersion?: string } };
    for (const item of page.items ?? []) items.push(normalised<T>(kind, item));
    next = page.metadata?.continue || undefined;
    if (next === undefined || items.length >= (query.limit ?? Infinity))
      return { items, resourceVersion: page.metadata?.resourceVersion ?? '' };
  }
}

const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/** Query of a list or a watch. */
export function listSearch(query: ListQuery, more: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries({
    labelSelector: selectorOf(query.labels),
    fieldSelector: query.fieldSelector,
    ...more,
  }).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return new URLSearchParams(pairs).toString();
}

function selectorOf(wanted: ListQuery['labels']): string | undefined {
  if (wanted === undefined) return undefined;
  return Object.entries(wanted)
    .map(([key, value]) => {
      if (value === null) return key;
      return typeof value === 'string' ? `${key}=${value}` : `${key} in (${value.join(',')})`;
    })
    .join(',');
}

/** Items of a list come without kind and version; nobody here reads who manages which field. */
export function normalised<T extends KubeObject>(kind: Kind, body: Record<string, unknown>): Stored<T> {
  const { managedFields: _, ...metadata } = body.metadata as Record<string, unknown>;
  return { ...body, apiVersion: RESOURCES[kind].apiVersion, kind, metadata } as unknown as Stored<T>;
}

function refOf(object: KubeObject): Ref {
  return { kind: kindOf(object), namespace: object.metadata.namespace, name: object.metadata.name };
}

const nameOf = ({ namespace, name }: Ref): string => `${namespace}/${name}`;

function actionOf({ verb, kind, target, subresource }: Request): string {
  return `${verb} ${subresource === undefined ? '' : `${subresource} of `}${kind} ${target}`;
}

function jsonOf(action: string, text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    // A proxy's page, or an answer that was cut off.
    throw new KubeError('unavailable', {
      reason: 'NotJson',
      message: `cannot ${action}: the answer is not JSON: is that address the API server's?`,
    });
  }
}
