import type { Command } from 'commander';
import { requireManifest } from '../../dataset/claim.ts';
import { renderPublishedReport } from '../../dataset/publish/publish.ts';
import { addS3Options, openDataset, type S3Flags, writeLocal } from '../open.ts';

/** `cohortfarm report`: renders the report of a published dataset again, into a local file. */

export function addReport(program: Command): void {
  addS3Options(
    program
      .command('report')
      .description(
        'Render the report of a published dataset with this version of CohortFarm. Writes a local file; the dataset is neither changed nor checked.',
      )
      .argument('<uri>', 'directory or s3://bucket/prefix of the dataset')
      .option('-o, --output <file>', 'HTML file to write', 'report.html'),
  ).action(async (uri: string, options: S3Flags & { output: string }) => {
    const store = openDataset(uri, options);
    const manifest = await requireManifest(store);
    const report = Buffer.from(await renderPublishedReport(store, manifest));
    await writeLocal('--output', options.output, report);
    process.stdout.write(`${options.output}\n`);
  });
}
