import type { AxisView, CellCounts, DatasetView, GateView, TrainingView } from '../../browse/wire.ts';
import { gateRule } from '../../contract/gates/gate-types.ts';
import { describeGuidance } from '../../contract/guidance.ts';
import { DEGENERATE } from '../../contract/names.ts';
import type { CellTally } from '../../contract/schema/record.ts';
import { publicationOf } from '../../dataset/publish/publication.ts';
import { axesOf } from '../../dataset/publish/summary.ts';
import type { Source, Wanted } from '../../dataset/read/source.ts';

/** The dataset as a whole, as the page reads it. */

export interface ViewContext {
  readonly uri: string;
  readonly training: readonly TrainingView[];
}

export async function datasetView(source: Source, { uri, training }: ViewContext): Promise<DatasetView> {
  const { wanted } = source;
  const { tallies, committed } = await source.counts();
  const { gates, keepRejected } = wanted.dataset.spec.quality;
  return {
    uri,
    name: wanted.name,
    title: publicationOf(wanted).title,
    state: source.state,
    axes: axesView(wanted),
    cells: countsView(wanted, tallies),
    gates: [...gates.map(gateView), { name: DEGENERATE, axis: null, rule: 'image is finite and not constant' }],
    shards: { committed, total: source.shards },
    keepRejected,
    provenance: provenance(wanted),
    training,
  };
}

const gateView = (gate: Wanted['dataset']['spec']['quality']['gates'][number]): GateView => ({
  name: gate.name,
  axis: gate.axis,
  rule: gate.appliesTo ? `${gateRule(gate)}; only ${gate.appliesTo.join(', ')}` : gateRule(gate),
});

function axesView({ cells }: Wanted): AxisView[] {
  return axesOf({ cells }).map(({ name, values }) => {
    const positions = new Map(values.map((value, i) => [value, i]));
    return { name, values, ofCell: cells.map(({ axes }) => positions.get(axes[name]!)!) };
  });
}

function countsView({ cells }: Wanted, tallies: readonly CellTally[]): CellCounts {
  const byCell = new Map(tallies.map((tally) => [tally.cell, tally]));
  const column = (read: (tally: CellTally) => number): number[] =>
    cells.map(({ cell }) => {
      const tally = byCell.get(cell);
      return tally ? read(tally) : 0;
    });
  const gates = new Set(tallies.flatMap(({ rejected }) => Object.keys(rejected)));
  const rejectedBy = (gate: string) => column(({ rejected }) => (Object.hasOwn(rejected, gate) ? rejected[gate]! : 0));
  return {
    wanted: cells.map(({ wanted }) => wanted),
    accepted: column(({ accepted }) => accepted),
    exhausted: column(({ exhausted }) => exhausted),
    attempts: column(({ attempts }) => attempts),
    rejected: Object.fromEntries([...gates].map((gate) => [gate, rejectedBy(gate)])),
  };
}

function provenance({ planDigest, model, dataset }: Wanted): [string, string][] {
  const { seed, prompt, output } = dataset.spec;
  const { sampling } = dataset.spec.model;
  const { steps, negativePrompt } = sampling;
  const { format, quality } = output.image;
  return [
    ['Plan', planDigest],
    ['Model', model.uri],
    ['Model digest', model.digest],
    ['Sampler', `${model.scheduler}, ${steps} steps, guidance ${describeGuidance(sampling)}`],
    ['Images', `${model.width} × ${model.height} pixels, ${format === 'jpeg' ? `JPEG, quality ${quality}` : 'PNG'}`],
    ['Prompt', prompt.template],
    ...(negativePrompt === '' ? [] : ([['Negative prompt', negativePrompt]] as [string, string][])),
    ['Seed', String(seed)],
  ];
}
