import { type HubChange, type HubFile, type HubRepository, hasContent } from '../../platform/hub.ts';

/** Commits to a repository: what it has already is left out, the rest goes in commits of some size. */

export interface Upload {
  /** Adds a file, unless the repository has it with this content. */
  add(path: string, bytes: Uint8Array): Promise<void>;
  /** Removes a file with the next commit. */
  remove(path: string): void;
  /** Commits what was added. */
  flush(): Promise<void>;
  counts(): { readonly sent: { readonly files: number; readonly bytes: number }; readonly kept: number };
}

/** Bytes and files of a commit: the Hub limits commits by the hour, and what is in one is in memory. */
const COMMIT = { bytes: 256 * 2 ** 20, files: 200 };

export function startUpload(repository: HubRepository, present: ReadonlyMap<string, HubFile>): Upload {
  let pending: HubChange[] = [];
  let removed: string[] = [];
  const sent = { files: 0, bytes: 0 };
  let kept = 0;
  const size = (changes: readonly HubChange[]): number => changes.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const flush = async (): Promise<void> => {
    if (pending.length + removed.length === 0) return;
    const [first, ...others] = [...pending.map(({ path }) => path), ...removed];
    const more = others.length > 0 ? ` and ${others.length} more` : '';
    await repository.commit(`CohortFarm: ${first}${more}`, pending, removed);
    sent.files += pending.length;
    sent.bytes += size(pending);
    [pending, removed] = [[], []];
  };
  return {
    async add(path, bytes) {
      const file = present.get(path);
      if (file && hasContent(file, bytes)) {
        kept++;
        return;
      }
      if (pending.length >= COMMIT.files || size(pending) + bytes.length > COMMIT.bytes) await flush();
      pending.push({ path, bytes });
    },
    remove: (path) => void removed.push(path),
    flush,
    counts: () => ({ sent: { ...sent }, kept }),
  };
}
