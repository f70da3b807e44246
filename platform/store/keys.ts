import { StoreError } from './errors.ts';

/** S3's own limit; also keeps a directory path below PATH_MAX. */
const MAX_KEY_BYTES = 1024;

function problemOf(key: string): string | undefined {
  if (key === '') return 'it is empty';
  if (!key.isWellFormed()) return 'it is not well-formed Unicode';
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `it is longer than ${MAX_KEY_BYTES} bytes`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (/[\u0000-\u001f\u007f]/.test(key)) return 'it has a control character';
  for (const segment of key.split('/')) {
    if (segment === '') return 'it has an empty segment';
    if (segment === '.' || segment === '..') return `it has a "${segment}" segment`;
  }
  return undefined;
}

/** True when a key can name an object in every kind of store. */
export function isValidKey(key: string): boolean {
  return problemOf(key) === undefined;
}

/** Refuses a key that could leave its prefix or that not every store can hold. Keys come from manifests: untrusted. */
export function assertKey(key: string): void {
  const problem = problemOf(key);
  if (problem !== undefined) {
    throw new StoreError('terminal', `object name ${JSON.stringify(key.slice(0, 200))} is refused: ${problem}`);
  }
}

/** As {@link assertKey} for a listing prefix: may be empty, may end in "/", may stop inside a name. */
export function assertPrefix(prefix: string): void {
  const key = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  if (prefix !== '') assertKey(key);
}

/** Order of S3 listings: UTF-8 bytes, which differs from JavaScript's order beyond the Basic Multilingual Plane. */
export function compareKeys(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}
