import type { Draft } from '../manifest.ts';
import type { Thumbnail } from '../thumbnails.ts';

/** `report.html`: the dataset at a glance, in one file. */
export function renderReport(draft: Draft, thumbnails: readonly Thumbnail[]): string {
  return `<!doctype html><title>${draft.name}</title>${thumbnails.length}`;
}
