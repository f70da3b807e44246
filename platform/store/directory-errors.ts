import { StoreError, type StoreErrorKind } from './errors.ts';

/** Meaning and fix of the file system's error codes. A full disk can be emptied while pods restart, so it is retryable. */
const MEANINGS: Record<string, { kind: StoreErrorKind; says: string; fix: string }> = {
  ENOSPC: { kind: 'retryable', says: 'the disk is full', fix: 'free space or choose another output folder' },
  EDQUOT: { kind: 'retryable', says: 'the disk quota is used up', fix: 'free space or raise the quota' },
  EMFILE: { kind: 'retryable', says: 'too many open files', fix: 'raise the limit with ulimit -n' },
  ENFILE: { kind: 'retryable', says: 'too many open files on this machine', fix: 'close other programs' },
  EIO: { kind: 'retryable', says: 'the disk reports an I/O error', fix: 'check the disk and its mount' },
  ESTALE: { kind: 'retryable', says: 'the network file system lost the file', fix: 'check the mount' },
  ETIMEDOUT: { kind: 'retryable', says: 'the network file system does not answer', fix: 'check the mount' },
  EBUSY: { kind: 'retryable', says: 'the file is in use', fix: 'try again' },
  EACCES: { kind: 'terminal', says: 'permission denied', fix: 'let this user read and write the folder' },
  EPERM: {
    kind: 'terminal',
    says: 'the file system refuses the operation',
    fix: 'use a folder that this user owns, on a file system with hard links',
  },
  EROFS: { kind: 'terminal', says: 'the file system is read-only', fix: 'choose a folder that can be written' },
  ENOTSUP: { kind: 'terminal', says: 'the file system has no hard links', fix: 'use another file system or s3://' },
  EXDEV: {
    kind: 'terminal',
    says: 'another file system is mounted below the output folder',
    fix: 'keep the whole output folder on one file system',
  },
  ENAMETOOLONG: { kind: 'terminal', says: 'the name is too long', fix: 'use a shorter output folder or dataset name' },
  ENOTDIR: { kind: 'terminal', says: 'a file stands where a folder is needed', fix: 'choose another output folder' },
  EISDIR: { kind: 'terminal', says: 'a folder of objects stands there', fix: 'remove it or choose another folder' },
  EEXIST: { kind: 'terminal', says: 'a file stands where a folder is needed', fix: 'choose another output folder' },
};

/** Code of a Node system error, or an empty string. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** A StoreError that names the object, what happened and the fix. One that is a StoreError already stays as it is. */
export function wrapFileError(error: unknown, action: string, object: string): StoreError {
  if (error instanceof StoreError) return error;
  const code = codeOf(error);
  const meaning = MEANINGS[code];
  if (meaning !== undefined) {
    return new StoreError(meaning.kind, `cannot ${action} ${object}: ${meaning.says} (${code}): ${meaning.fix}`, {
      cause: error,
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new StoreError('terminal', `cannot ${action} ${object}: ${reason}`, { cause: error });
}
