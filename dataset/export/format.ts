import { UsageError } from '../../contract/failure.ts';
import { CONTENT_TYPES, imageExtension } from '../../contract/names.ts';
import { combinationsOf } from '../../contract/plan/combinations.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { CredentialSigner } from '../../platform/content-credentials.ts';
import type { ObjectBody } from '../../platform/store/store.ts';
import { signImage } from '../provenance/credentials.ts';
import type { ShardSample } from '../shard/read.ts';
import type { Digest } from '../stored.ts';
import { type DicomOptions, type DicomSample, renderDicom, sampleUids } from './dicom.ts';
import { mdsKey, renderMds, renderMdsIndex } from './mds.ts';

/** The formats that a dataset is exported to: a file for each sample or each shard, and one table of all, written last. */

export const FORMATS = ['dicom', 'imagefolder', 'coco', 'mds'] as const;
export type Format = (typeof FORMATS)[number];

/** A sample as the table describes it: a row of index.parquet. */
export interface Row {
  readonly key: string;
  /** Key of the sample's file in the target. */
  readonly file: string;
  readonly prompt: string;
  readonly seed: number;
  readonly axes: Readonly<Record<string, string>>;
  /** Wanted values and numbers, by the names that the index gives them. */
  readonly labels: Readonly<Record<string, string | number>>;
}

export interface Table {
  readonly key: string;
  readonly contentType: string;
  /** @param digestOf the other files of the export, by their keys */
  render(rows: AsyncIterable<Row>, manifest: Manifest, digestOf: (key: string) => Promise<Digest>): Promise<ObjectBody>;
}

export interface ExportOptions extends DicomOptions {
  readonly signer?: CredentialSigner | null;
}

export type Exporter = SampleExporter | ShardExporter;

/** Writes a file for each sample. */
export interface SampleExporter {
  /** Folder of the files. */
  readonly folder: string;
  readonly extension: string;
  readonly contentType: string;
  render(sample: DicomSample): Promise<Uint8Array>;
  readonly table: Table;
}

/** Writes a file for each shard. */
export interface ShardExporter {
  keyOf(shard: number): string;
  readonly contentType: string;
  renderShard(shard: Uint8Array, samples: readonly ShardSample[]): Uint8Array;
  readonly table: Table;
}

/** The places of images and table in an export. */
const LAYOUT = {
  imagefolder: { folder: 'train/', table: 'train/metadata.jsonl' },
  coco: { folder: 'images/', table: 'annotations.json' },
  dicom: { folder: 'dicom/', table: 'metadata.jsonl' },
  mds: { folder: '', table: 'index.json' },
} as const;

export const layoutOf = (format: Format): { readonly folder: string; readonly table: string } => LAYOUT[format];

export function exporterOf(format: Format, manifest: Manifest, options: ExportOptions): Exporter {
  const { folder, table } = layoutOf(format);
  const extension = imageExtension(manifest.dataset.spec.output.image.format);
  const { signer } = options;
  const images = {
    folder,
    extension,
    contentType: CONTENT_TYPES[extension],
    render: async ({ key, image }: DicomSample) =>
      signer ? signImage(image, `${key}.${extension}`, manifest, signer) : image,
  };
  switch (format) {
    case 'imagefolder':
      return { ...images, table: listing(table, () => ({})) };
    case 'coco':
      return { ...images, table: COCO };
    case 'mds':
      if (manifest.samples.accepted === 0)
        throw new UsageError(
          'mds: the dataset has no images, and StreamingDataset reads nothing without; choose another format',
        );
      return {
        keyOf: mdsKey,
        contentType: 'application/octet-stream',
        renderShard: (shard, samples) => renderMds(shard, samples, manifest),
        table: {
          key: table,
          contentType: CONTENT_TYPES.json,
          render: (_, manifest, digestOf) => renderMdsIndex(manifest, digestOf),
        },
      };
    case 'dicom':
      return {
        folder,
        extension: 'dcm',
        contentType: 'application/dicom',
        render: (sample) => renderDicom(sample, manifest, options),
        table: listing(table, ({ key }) => {
          const { study, series, instance } = sampleUids(manifest.planDigest, key);
          return { study_instance_uid: study, series_instance_uid: series, sop_instance_uid: instance };
        }),
      };
  }
}

/** JSON Lines, a sample each, as the Hugging Face ImageFolder reads them; names are relative to the table. */
const listing = (table: string, more: (row: Row) => Readonly<Record<string, string>>): Table => ({
  key: table,
  contentType: 'application/jsonl',
  async render(rows) {
    const folder = table.slice(0, table.lastIndexOf('/') + 1);
    const chunks: Uint8Array[] = [];
    for await (const row of rows) {
      const { key, file, prompt, seed, labels } = row;
      const line = { file_name: file.slice(folder.length), key, prompt, seed, ...labels, ...more(row) };
      chunks.push(Buffer.from(`${JSON.stringify(line)}\n`));
    }
    return chunks;
  },
});

/** COCO with one category for each value of each axis; an image's label covers all of it. */
const COCO: Table = {
  key: LAYOUT.coco.table,
  contentType: CONTENT_TYPES.json,
  async render(rows, { dataset, generator, model, name, planDigest }) {
    const values = Object.entries(dataset.spec.quota.axes).flatMap(([axis, { values = [], bins = [] }]) =>
      [...values, ...bins].map((value) => ({ axis, value })),
    );
    const categories = values.map(({ axis, value }, i) => ({ id: i + 1, name: value, supercategory: axis }));
    const ids = new Map(categories.map(({ id, name, supercategory }) => [`${supercategory}=${name}`, id]));
    const sets = new Map(
      Object.entries(dataset.spec.quota.axes).flatMap(([axis, spec]) =>
        [...combinationsOf(spec)].map(([name, set]) => [`${axis}=${name}`, set] as const),
      ),
    );
    const { height, width } = model;
    const info = { description: `Synthetic dataset ${name}`, version: planDigest, contributor: generator.name };
    const images: Uint8Array[] = [];
    const annotations: Uint8Array[] = [];
    const add = (list: Uint8Array[], entry: object): void => {
      list.push(Buffer.from(`${list.length > 0 ? ',\n' : ''}${JSON.stringify(entry)}`));
    };
    for await (const { key, file, prompt, seed, axes } of rows) {
      const image = Number(key) + 1;
      add(images, { id: image, file_name: file.slice(LAYOUT.coco.folder.length), height, width, key, prompt, seed });
      const shown = Object.entries(axes).flatMap(([axis, value]) =>
        (sets.get(`${axis}=${value}`) ?? [value]).map((one) => [axis, one] as const),
      );
      for (const [axis, value] of shown) {
        const category = ids.get(`${axis}=${value}`);
        if (category === undefined) continue;
        const label = { image_id: image, category_id: category, bbox: [0, 0, width, height], area: width * height };
        add(annotations, { id: annotations.length + 1, ...label, iscrowd: 0 });
      }
    }
    const text = (part: string): Uint8Array => Buffer.from(part);
    return [
      text(`{"info":${JSON.stringify(info)},"licenses":[],"categories":${JSON.stringify(categories)},"images":[\n`),
      ...images,
      text('],\n"annotations":[\n'),
      ...annotations,
      text(']}\n'),
    ];
  },
};
