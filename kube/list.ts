import { isKubeError } from './errors.ts';
import { collectionPath, type Kind, RESOURCES } from './resources.ts';
import type { Send } from './send.ts';
import type { KubeObject, ListQuery, ObjectList, Stored } from './types.ts';

/** All objects, or the first `limit` of them. */
export async function listAll<T extends KubeObject>(
  send: Send,
  query: ListQuery,
  pageSize: number,
): Promise<ObjectList<T>> {
  try {
    return await listPages<T>(send, query, Math.min(pageSize, query.limit ?? pageSize));
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

/** Items of a list come without kind and version; managed fields are not read here. */
export function normalised<T extends KubeObject>(kind: Kind, body: Record<string, unknown>): Stored<T> {
  const { managedFields: _, ...metadata } = body.metadata as Record<string, unknown>;
  return { ...body, apiVersion: RESOURCES[kind].apiVersion, kind, metadata } as unknown as Stored<T>;
}
