import type { Command } from 'commander';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { requireManifest } from '../../dataset/claim.ts';
import { type Comparison, compareCohorts } from '../compare/compare.ts';
import { addS3Options, openDataset, type S3Flags } from '../open.ts';

/** `cohortfarm compare-cohorts`: two published datasets side by side. */

export function addCompareCohorts(program: Command): void {
  addS3Options(
    program
      .command('compare-cohorts')
      .description(
        'Compare two published datasets: acceptance, cost, fidelity, diversity and privacy (docs/evidence.md).',
      )
      .argument('<a>', 'directory or s3://bucket/prefix of a dataset')
      .argument('<b>', 'the other')
      .option('--json', 'print one JSON object'),
  ).action(async (a: string, b: string, options: S3Flags & { json?: boolean }) => {
    const [left, right] = [await manifestAt(a, options), await manifestAt(b, options)];
    const comparison = compareCohorts(left, right);
    process.stdout.write(options.json ? `${JSON.stringify({ a, b, ...comparison })}\n` : describe(comparison, a, b));
  });
}

const manifestAt = (uri: string, flags: S3Flags): Promise<Manifest> => requireManifest(openDataset(uri, flags));

function describe({ sections, remarks }: Comparison, a: string, b: string): string {
  const lines = sections.flatMap(({ lines }) => lines);
  const width = (values: readonly string[]): number => Math.max(...values.map((value) => value.length));
  const [names, lefts] = [width(lines.map(({ name }) => name)) + 4, width([a, ...lines.map((line) => line.a)]) + 2];
  const row = (name: string, left: string, right: string): string =>
    `${name.padEnd(names)}${left.padEnd(lefts)}${right}\n`;
  const body = sections.map(
    ({ name, lines }) => `\n${name}\n${lines.map((line) => row(`  ${line.name}`, line.a, line.b)).join('')}`,
  );
  return row('', a, b) + body.join('') + remarks.map((remark) => `\n${remark}\n`).join('');
}
