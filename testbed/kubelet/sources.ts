import { type Access, callApi } from '../servers/control-plane-client.ts';
import type { FieldRef, KeyRef, ObjectRef, Pod } from './types.ts';

/** Sources of the values of a pod's environment and files. */

/** An object that a pod refers to is missing (so far). The message is the real kubelet's. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads what one pod refers to, in its namespace. */
export interface Sources {
  /** Keys and bytes of a ConfigMap or Secret; null where it is not there and need not be. @throws ConfigError */
  read(kind: SourceKind, ref: ObjectRef): Promise<ReadonlyMap<string, Buffer> | null>;
  /** One key of it; null where it is not there and need not be. @throws ConfigError */
  key(kind: SourceKind, ref: KeyRef): Promise<Buffer | null>;
  /** A token of the pod's service account. */
  token(request: { readonly audience?: string; readonly expirationSeconds?: number }): Promise<string>;
}

export type SourceKind = 'ConfigMap' | 'Secret';

interface ConfigObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
  readonly message?: string;
}

export function sourcesOf(access: Access, { metadata, spec }: Pod): Sources {
  const base = `/api/v1/namespaces/${metadata.namespace}`;

  async function read(kind: SourceKind, { name, optional }: ObjectRef): Promise<ReadonlyMap<string, Buffer> | null> {
    const answer = await callApi<ConfigObject>(access, `${base}/${kind.toLowerCase()}s/${name}`);
    if (answer.code === 404 && optional) return null;
    if (answer.code === 404) throw new ConfigError(`${kind.toLowerCase()} "${name}" not found`);
    if (answer.code !== 200) throw new ConfigError(`${kind} ${name}: ${answer.code} ${answer.body.message}`);
    const { data = {}, binaryData = {} } = answer.body;
    const encoding = kind === 'Secret' ? 'base64' : 'utf8';
    return new Map([
      ...Object.entries(data).map(([key, value]) => [key, Buffer.from(value, encoding)] as const),
      ...Object.entries(binaryData).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
    ]);
  }

  return {
    read,
    key: async (kind, ref) => {
      const value = (await read(kind, ref))?.get(ref.key) ?? null;
      if (value !== null || ref.optional) return value;
      throw new ConfigError(`couldn't find key ${ref.key} in ${kind} ${metadata.namespace}/${ref.name}`);
    },
    token: async ({ audience, expirationSeconds = 3607 }) => {
      const { name, uid } = metadata;
      const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid };
      const request = { expirationSeconds, boundObjectRef, audiences: audience === undefined ? [] : [audience] };
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: request };
      const path = `${base}/serviceaccounts/${spec.serviceAccountName ?? 'default'}/token`;
      const answer = await callApi<{ status?: { token?: string }; message?: string }>(access, path, {
        method: 'POST',
        body,
      });
      const token = answer.body.status?.token;
      if (token === undefined) throw new ConfigError(`failed to fetch token: ${answer.body.message}`);
      return token;
    },
  };
}

/** A field of a pod in the downward API. @throws ConfigError for a field that it does not have */
export function fieldOf({ metadata, spec }: Pod, { fieldPath }: FieldRef): string {
  const { labels = {}, annotations = {} } = metadata;
  const [, map, key] = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath) ?? [];
  if (map !== undefined && key !== undefined) return (map === 'labels' ? labels : annotations)[key] ?? '';
  const fields: Record<string, string | undefined> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'metadata.labels': lines(labels),
    'metadata.annotations': lines(annotations),
    'spec.nodeName': spec.nodeName,
    'spec.serviceAccountName': spec.serviceAccountName ?? 'default',
  };
  const value = fields[fieldPath];
  if (value === undefined) throw new ConfigError(`the process kubelet has no field ${fieldPath}`);
  return value;
}

const lines = (map: Readonly<Record<string, string>>): string =>
  Object.entries(map)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
