import type { DatasetView, TrainingView } from '../../browse/wire.ts';
import { describeGuidance } from '../../contract/guidance.ts';
import { publicationOf } from '../../dataset/publish/publication.ts';
import { gateViews, gridOf } from '../../dataset/publish/summary.ts';
import type { Source, Wanted } from '../../dataset/read/source.ts';

/** The dataset as a whole, as the page reads it. */

export interface ViewContext {
  readonly uri: string;
  readonly training: readonly TrainingView[];
}

export async function datasetView(source: Source, { uri, training }: ViewContext): Promise<DatasetView> {
  const { wanted } = source;
  const { tallies, committed } = await source.counts();
  const byCell = new Map(tallies.map((tally) => [tally.cell, tally]));
  return {
    uri,
    name: wanted.name,
    title: publicationOf(wanted).title,
    state: source.state,
    ...gridOf(wanted.cells, (cell) => byCell.get(wanted.cells[cell]!.cell)),
    gates: gateViews(wanted),
    shards: { committed, total: source.shards },
    keepRejected: wanted.dataset.spec.quality.keepRejected,
    hasFeatures: wanted.dataset.spec.quality.encoder !== undefined,
    provenance: provenance(wanted),
    training,
  };
}

function provenance({ planDigest, model, dataset }: Wanted): [string, string][] {
  const { seed, prompt, output } = dataset.spec;
  const { sampling } = dataset.spec.model;
  const { steps, negativePrompt } = sampling;
  const { format, quality, bitDepth } = output.image;
  const file = format === 'jpeg' ? `JPEG, quality ${quality}` : bitDepth === 16 ? 'PNG of 16 bits' : 'PNG';
  return [
    ['Plan', planDigest],
    ['Model', model.uri],
    ['Model digest', model.digest],
    ['Sampler', `${model.scheduler}, ${steps} steps, guidance ${describeGuidance(sampling)}`],
    ['Images', `${model.width} × ${model.height} pixels, ${file}`],
    ['Prompt', prompt.template],
    ...(negativePrompt === '' ? [] : ([['Negative prompt', negativePrompt]] as [string, string][])),
    ['Seed', String(seed)],
  ];
}
