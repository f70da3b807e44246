import { FIELD_MANAGER } from '../contract/cluster.ts';
import { isKubeError, KubeError } from './errors.ts';
import { listAll, normalised } from './list.ts';
import { collectionPath, kindOf, objectPath } from './resources.ts';
import { schemaPath, specFieldsOf } from './schema.ts';
import { createSend, type Request, type SendOptions } from './send.ts';
import type { ApplyOptions, DeleteOptions, Kube, KubeObject, Ref, Stored } from './types.ts';

export interface KubeOptions extends SendOptions {
  /** Objects in one page of a list; 500 by default. */
  readonly pageSize?: number;
}

const PAGE_SIZE = 500;

/** Query of every other write: the field manager, and strict validation of fields. */
const QUERY = `?fieldManager=${FIELD_MANAGER}&fieldValidation=Strict`;

/** A definition that is older than the operator drops what it does not know: better less of a status than none. */
const STATUS_QUERY = `?fieldManager=${FIELD_MANAGER}&fieldValidation=Ignore`;

const APPLY = 'application/apply-patch+yaml';
const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';

export function createKube(options: KubeOptions): Kube {
  const send = createSend(options);
  const stored = async <T extends KubeObject>(request: Request): Promise<Stored<T>> =>
    normalised<T>(request.kind, await send(request));

  const patch = <T extends KubeObject>(
    verb: Request['verb'],
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
    list: (query) => listAll(send, query, options.pageSize ?? PAGE_SIZE),
    apply: <T extends KubeObject>(object: T, { force = true }: ApplyOptions = {}) => {
      const ref = refOf(object);
      const path = `${objectPath(ref)}${QUERY}&force=${force}`;
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
      const path = `${objectPath(ref)}/status${STATUS_QUERY}`;
      const rest = { path, contentType: JSON_PATCH, body, subresource: 'status' } as const;
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
    async specFields(kind) {
      const target = 'of the published schema';
      try {
        const document = await send({ verb: 'get', kind, method: 'GET', path: schemaPath(kind), target });
        return specFieldsOf(document, kind);
      } catch (error) {
        if (isKubeError(error, 'notFound', 'noSuchKind')) return null;
        throw error;
      }
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

function refOf(object: KubeObject): Ref {
  return { kind: kindOf(object), namespace: object.metadata.namespace, name: object.metadata.name };
}

const nameOf = ({ namespace, name }: Ref): string => `${namespace}/${name}`;
