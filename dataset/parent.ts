import { isAbsolute, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { objects } from '../contract/names.ts';

/** The place of a dataset that another one extends, as a manifest names it: s3://, or a path relative to the manifest's folder. */

const isRemote = (uri: string): boolean => /^s3:/i.test(uri);
const pathOf = (uri: string): string => (/^file:/i.test(uri) ? fileURLToPath(uri) : resolve(uri));

/**
 * The place of a parent's manifest as the manifest of a dataset names it. Two local folders keep their places to each other; a
 * local parent of a remote dataset has no place that others could reach, so that only its name is left.
 * @param uri of the dataset, and `place` of the parent's manifest, both absolute
 */
export function relativePlace(uri: string, place: string): string {
  if (isRemote(place)) return place;
  return isRemote(uri) ? objects.manifest : relative(pathOf(uri), pathOf(place));
}

/** URI of the dataset whose manifest another manifest names; null where that cannot be reached. */
export function parentUri(uri: string, place: string): string | null {
  if (!place.endsWith(`/${objects.manifest}`)) return null;
  const folder = place.slice(0, -objects.manifest.length - 1);
  if (isRemote(place)) return folder;
  return isRemote(uri) || isAbsolute(place) ? null : resolve(pathOf(uri), folder);
}
