import type { Kind } from './resources.ts';

/** Objects of the API server as it sends them (plain JSON, dates as strings), and the calls that the operator makes. */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  /** RFC 3339; set once deletion was requested. */
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
  /** Further fields of a kind, such as `data` of a ConfigMap. */
  readonly [field: string]: unknown;
}

/** An object that the API server has stored. */
export type Stored<T extends KubeObject = KubeObject> = T & {
  readonly metadata: ObjectMeta & { readonly uid: string; readonly resourceVersion: string };
};

export interface Ref {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

export interface ListQuery {
  readonly kind: Kind;
  /** All namespaces by default. */
  readonly namespace?: string;
  /** Labels that the objects have; null matches any value, a list any of its values. */
  readonly labels?: Readonly<Record<string, string | readonly string[] | null>>;
  /** Such as `spec.nodeName=a,status.phase!=Running`; the API server knows few fields. */
  readonly fieldSelector?: string;
  /** The first so many are enough. */
  readonly limit?: number;
  /** Objects carry only `metadata`: enough to know what is there. */
  readonly metadataOnly?: boolean;
}

export interface ObjectList<T extends KubeObject> {
  readonly items: readonly Stored<T>[];
  /** From where a watch misses nothing that is not in the list. */
  readonly resourceVersion: string;
}

export interface ApplyOptions {
  /** Takes over fields that another manager has set; without it such an apply rejects as `conflict`. True by default. */
  readonly force?: boolean;
}

export interface DeleteOptions {
  /** Propagation to owned objects; `Background` by default. */
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
  /** Only this very object, not another one that has got its name since. */
  readonly uid?: string;
}

/**
 * The API server. Every call ends within its time limit and rejects only with a KubeError. A type parameter is what the
 * caller knows about the kind; it is not checked here.
 */
export interface Kube {
  /** The object as it is now; null when there is none. */
  get<T extends KubeObject = KubeObject>(ref: Ref): Promise<Stored<T> | null>;
  /** All objects, however many pages that takes. */
  list<T extends KubeObject = KubeObject>(query: ListQuery): Promise<ObjectList<T>>;
  /**
   * Server-side apply as FIELD_MANAGER: makes the object, or makes it so. Fields that it leaves out but had when applied
   * last are removed; an unknown field is an error.
   */
  apply<T extends KubeObject>(object: T, options?: ApplyOptions): Promise<Stored<T>>;
  /** Creates the object; rejects as `conflict` when there is one. */
  create<T extends KubeObject>(object: T): Promise<Stored<T>>;
  /**
   * Replaces the whole status of that very object. Rejects as `conflict` when another one has its name by now, as `notFound`
   * when there is none.
   */
  patchStatus(ref: Ref & { readonly uid: string }, status: object): Promise<Stored>;
  /** JSON merge patch; `metadata.resourceVersion` in the body makes it a conflict when the object has changed since. */
  mergePatch<T extends KubeObject = KubeObject>(ref: Ref, body: object): Promise<Stored<T>>;
  /** Names of the fields that the `spec` of a kind has, as the API server publishes its schema; null where it serves no such kind. */
  specFields(kind: Kind): Promise<readonly string[] | null>;
  /** Requests the deletion. A missing object, or one that was replaced, is not an error. */
  delete(ref: Ref, options?: DeleteOptions): Promise<void>;
}
