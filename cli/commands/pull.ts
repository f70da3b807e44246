import type { Command } from 'commander';
import { grouped } from '../../contract/format.ts';
import { pullDataset } from '../../dataset/hub/pull.ts';
import { addHubOptions, type HubFlags, hubAt } from '../hub.ts';
import { addS3Options, openDataset, type S3Flags } from '../open.ts';
import { countDone } from '../progress.ts';

/** `cohortfarm pull`: a dataset from the Hugging Face Hub, as it was before it was pushed (docs/hub.md). */

export function addPull(program: Command): void {
  addS3Options(
    addHubOptions(
      program
        .command('pull')
        .description(
          'Pull a dataset that was pushed to the Hugging Face Hub; every digest is checked. Run it again to resume.',
        )
        .argument('<hub-uri>', 'hf://datasets/ORG/NAME, or with a revision hf://datasets/ORG/NAME@REVISION')
        .argument('<uri>', 'where to: an empty directory or s3://bucket/prefix'),
    ),
  ).action(pull);
}

async function pull(hubUri: string, uri: string, options: S3Flags & HubFlags): Promise<void> {
  const repository = await hubAt(hubUri, options);
  const target = openDataset(uri, options);
  const { samples, objects, written } = await pullDataset({
    repository,
    target,
    onObject: countDone(process.stderr, 'objects'),
  });
  const before = objects - written;
  process.stdout.write(
    `Pulled: ${grouped(samples)} images in ${grouped(objects)} objects${before > 0 ? ` (${grouped(before)} of them before)` : ''}; cohortfarm verify ${target.uri} checks them all\n`,
  );
}
