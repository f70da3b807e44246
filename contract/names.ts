/** Every name that more than one part must agree on: API group, object keys, members of a shard. */

export const API_VERSION = 'cohortfarm.dev/v1alpha1';
export const KIND = 'SyntheticDataset';

/** Exit codes of every program (see the contract: the Job's podFailurePolicy reads them). */
export const EXIT = { done: 0, checkFailed: 1, usage: 2, shortfall: 3, tryAgain: 75, never: 78 } as const;

/** Images that show nothing (black, constant, not a number) are counted under this name, like a gate's rejections. */
export const DEGENERATE = 'degenerate';
/** When an image is not counted under it, as gates say when one passes. */
export const DEGENERATE_RULE = 'image is finite and not constant';

/** Stands on every page, card and report about a dataset. */
export const NOTICE =
  'Every image is synthetic. None shows a patient, and none is fit for diagnosis or any other clinical use.';

/** Images that pass, but of whose pair another image is rejected, are counted under this name. */
export const PAIR = 'pair';
export const PAIR_RULE = 'the other images of the pair pass';

/** Label of an image that shows none of the findings, whatever they are. */
export const NO_FINDING = 'no-finding';

/** The member of a sample's image in a shard, by the format of the spec. */
export const imageExtension = (format: 'jpeg' | 'png'): 'jpg' | 'png' => (format === 'jpeg' ? 'jpg' : 'png');

export const SAMPLE_KEY_DIGITS = 9;

/** The WebDataset key of a sample: its global index in nine digits. */
export const sampleKey = (index: number): string => String(index).padStart(SAMPLE_KEY_DIGITS, '0');

const SHARD_DIGITS = 6;
/** So that shards sort by name. */
export const MAX_SHARDS = 10 ** SHARD_DIGITS;

const shardDigits = (shard: number): string => String(shard).padStart(SHARD_DIGITS, '0');

/** Object keys under `output.uri`. */
export const objects = {
  manifest: 'dataset.json',
  card: 'README.md',
  croissant: 'croissant.json',
  index: 'index.parquet',
  wids: 'wids.json',
  report: 'report.html',
  /** Names the plan and the owner of the prefix; written before anything else, and kept after publishing. */
  claim: '_work/plan.json',
  /** The outline of a growing dataset, for readers before it is published. */
  outline: '_work/dataset.json',
  /** Tries whether the store honours conditional writes; removed again. */
  probe: (id: string): string => `_work/probe-${id}`,
  /** Fixes which manifest is published of these shards; removed by publishing. */
  publication: (digest: string): string => `_work/publication-${digest}.json`,
  /** A file beside the shards, by its SHA-256, before it gets its name. */
  staged: (digest: string): string => `_work/staged/${digest}`,
  /** Checkpoints of publishing. */
  checked: '_work/checked/',
  checkedShards: (group: number, digest: string): string => `_work/checked/${shardDigits(group)}-${digest}.json.gz`,
  work: '_work/',
  records: 'records/',
  shards: 'shards/',
  /** Feature vectors of the images of each shard. */
  featuresFolder: 'features/',
  features: (name: string, shard: number): string => `features/${name}-${shardDigits(shard)}.npy`,
  shard: (name: string, shard: number): string => `shards/${name}-${shardDigits(shard)}.tar`,
  record: (shard: number): string => `records/${shardDigits(shard)}.json`,
  /** Parts and the seal of one unfinished shard. */
  shardWork: (shard: number): string => `_work/${shardDigits(shard)}/`,
  part: (shard: number, start: number, end: number): string =>
    `_work/${shardDigits(shard)}/${sampleKey(start)}-${sampleKey(end)}.tar`,
  /** A rejected image that was kept to look at (without its ending), and what was wanted of it. */
  rejected: (cell: number, place: number): string =>
    `rejected/${String(cell).padStart(6, '0')}/${String(place).padStart(4, '0')}`,
  /** Rejected images of one cell. */
  rejectedOf: (cell: number): string => `rejected/${String(cell).padStart(6, '0')}/`,
  /** A signed statement on the dataset, by the id of the key. */
  signature: (keyId: string): string => `signatures/${keyId}.json`,
  signatures: 'signatures/',
  training: 'training/',
  seal: (shard: number): string => `_work/${shardDigits(shard)}/seal.json`,
  /** The feature vectors of a shard, by their SHA-256, before they get their name. */
  stagedFeatures: (shard: number, digest: string): string => `_work/${shardDigits(shard)}/features-${digest}.npy`,
  /** A seal that was discarded, by the digest of the tar that it fixed. */
  retiredSeal: (shard: number, digest: string): string => `_work/${shardDigits(shard)}/seal-${digest}.json`,
} as const;

/** Whether a key is that of a probe. */
export const isProbe = (key: string): boolean => /^_work\/probe-[0-9a-f-]{36}$/.test(key);

/** Reads `start` and `end` (sample indices, end exclusive) back from a part's key; null for any other key. */
export function parsePartKey(key: string): { start: number; end: number } | null {
  const match = /\/(\d{9,})-(\d{9,})\.tar$/.exec(key);
  return match ? { start: Number(match[1]), end: Number(match[2]) } : null;
}

/** Reads the shard back from a record's key; null for any other key. */
export function parseRecordKey(key: string): number | null {
  const digits = /^records\/(\d{6})\.json$/.exec(key)?.[1];
  return digits === undefined ? null : Number(digits);
}

export const CONTENT_TYPES = {
  json: 'application/json',
  tar: 'application/x-tar',
  html: 'text/html; charset=utf-8',
  markdown: 'text/markdown; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
  npy: 'application/octet-stream',
  jpg: 'image/jpeg',
  png: 'image/png',
} as const;

/**
 * Annotations of the resource that describe its publication, all optional: they go into the dataset card and croissant.json
 * and decide no byte of an image.
 */
export const PUBLICATION_ANNOTATIONS = {
  title: 'cohortfarm.dev/title',
  /** An SPDX identifier such as CC-BY-4.0, or the URL of the license. */
  license: 'cohortfarm.dev/license',
  creator: 'cohortfarm.dev/creator',
  /** The web page of the dataset. */
  url: 'cohortfarm.dev/url',
  citation: 'cohortfarm.dev/citation',
  /** YYYY-MM-DD. */
  datePublished: 'cohortfarm.dev/date-published',
  /** Terms that readers accept before they get the data: the Hub's `extra_gated_prompt`. */
  accessTerms: 'cohortfarm.dev/access-terms',
  /** Terms of the model that the images were sampled from: a text or a URL. */
  modelTerms: 'cohortfarm.dev/model-terms',
} as const;

/** Takes a prefix over from another owner: its value is the id of that owner, or `unowned`. */
export const ADOPT_ANNOTATION = 'cohortfarm.dev/adopt-from';

/** IPTC's term for an image made by a trained model; see https://cv.iptc.org/newscodes/digitalsourcetype/. */
export const DIGITAL_SOURCE_TYPE = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';
