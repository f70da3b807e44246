/** Half-open byte range: `start` inclusive, `end` exclusive. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Content of an object: whole, as chunks in order, or as a stream. */
export type ObjectBody = Uint8Array | readonly Uint8Array[] | StreamedBody;

/** Content that need not fit into memory, such as a file's. */
export interface StreamedBody {
  /** Bytes. */
  readonly size: number;
  /** The content from its start; called again when a write is retried. */
  chunks(): AsyncIterable<Uint8Array>;
}

export interface WriteOptions {
  /** MIME type; a directory does not keep it. */
  contentType: string;
}

export interface ListedObject {
  key: string;
  /** Bytes. */
  size: number;
  /** Another content has another tag; absent where the store has none. */
  etag?: string;
}

/**
 * Objects by name under one URI. Names are `/`-separated; one with an empty, `.` or `..` segment or a control character is
 * refused. Every method rejects with a StoreError.
 */
export interface ObjectStore {
  /** Without trailing slash, without credentials. */
  readonly uri: string;

  /** The object, or the part of it that lies in `range` (shorter, or empty, when the object ends before). Null when absent. */
  get(key: string, range?: ByteRange): Promise<Uint8Array | null>;

  /** Size in bytes. Null when absent. */
  stat(key: string): Promise<{ size: number } | null>;

  /**
   * Creates the object whole or not at all; never overwrites. Once it resolves, the object survives a crash.
   * 'exists' says that an object of that name exists, of any writer: after a lost answer that may have been this very
   * call, so a caller that must know compares the content.
   */
  create(key: string, body: ObjectBody, options: WriteOptions): Promise<'created' | 'exists'>;

  /** Writes the object whole, in place of any other: for what is derived and can be made again, such as a report. */
  replace(key: string, body: ObjectBody, options: WriteOptions): Promise<void>;

  /** All objects whose name starts with `prefix`, in byte order of their names. */
  list(prefix: string): AsyncIterable<ListedObject>;

  /**
   * Checks, with an object of this name that it removes again, that `create` really never overwrites here: everything rests
   * on it, and some servers ignore the condition.
   * @throws StoreError (StoreRefused) when the server does
   */
  assertConditional(key: string): Promise<void>;

  /** Removes objects; absent ones are fine. */
  remove(keys: readonly string[]): Promise<void>;
}
