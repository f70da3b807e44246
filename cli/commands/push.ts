import type { Command } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { grouped } from '../../contract/format.ts';
import { objects } from '../../contract/names.ts';
import { readManifest } from '../../dataset/claim.ts';
import { pushDataset } from '../../dataset/hub/push.ts';
import { ONE_SPLIT, parseSplits } from '../../dataset/hub/splits.ts';
import { type ModelTerms, parseModelTerms } from '../../dataset/publish/model-terms.ts';
import { missingToken } from '../../platform/hub.ts';
import { resolveUri } from '../../platform/resource.ts';
import { openStore, type S3Options, StoreError } from '../../platform/store/store.ts';
import { addHubOptions, type HubFlags, hubAt } from '../hub.ts';
import { addS3Options, openDataset, type S3Flags, s3FromFlags } from '../open.ts';
import { countShards } from '../progress.ts';
import { plain } from '../status/text.ts';

/** `cohortfarm push`: a published dataset on the Hugging Face Hub (docs/hub.md). */

interface PushOptions extends S3Flags, HubFlags {
  readonly splits?: string;
  readonly model?: string;
  readonly public?: boolean;
}

export function addPush(program: Command): void {
  addS3Options(
    addHubOptions(
      program
        .command('push')
        .description('Push a published dataset to the Hugging Face Hub. Run it again to resume: only the rest is sent.')
        .argument('<uri>', 'directory or s3://bucket/prefix of the dataset')
        .argument('<hub-uri>', 'hf://datasets/ORG/NAME; a repository that does not exist is made, private')
        .option('--splits <shares>', 'splits of whole shards, such as train=0.8,test=0.2; default: all is train')
        .option('--public', 'make the repository public once all is there, gated if there are terms of access')
        .option('--model <uri>', "model whose card states its terms; default: the dataset's spec.model.uri"),
    ),
  ).action(push);
}

async function push(uri: string, hubUri: string, options: PushOptions): Promise<void> {
  const splits = options.splits === undefined ? ONE_SPLIT : parseSplits('--splits', options.splits);
  const repository = await hubAt(hubUri, options);
  const source = openDataset(uri, options);
  if (repository.revision !== null)
    throw new UsageError(`${JSON.stringify(hubUri)} names a revision; push to ${repository.uri}`);
  if (!repository.mayWrite) throw missingToken();
  const model = options.model ?? (await readManifest(source))?.model.uri;
  const modelTerms = model === undefined ? null : await readModelTerms(model, s3FromFlags(options));
  const { samples, sent, kept, isPublic } = await pushDataset({
    source,
    repository,
    splits,
    makePublic: options.public === true,
    modelTerms,
    onShard: countShards(process.stderr),
  });
  const before = kept > 0 ? `, ${grouped(kept)} were there before` : '';
  process.stdout.write(
    `Pushed: ${grouped(samples)} images; ${grouped(sent.files)} files sent (${(sent.bytes / 1e6).toFixed(1)} MB)${before}; ${repository.page}\n`,
  );
  if (!isPublic) process.stderr.write('The repository is private; push again with --public to open it.\n');
}

/** The terms in the card of a model. One that cannot be read from here is a remark, not an error. */
async function readModelTerms(uri: string, s3: S3Options): Promise<ModelTerms | null> {
  try {
    const card = await openStore(resolveUri(uri, process.cwd()), s3).get(objects.card);
    const terms = card && parseModelTerms(uri, Buffer.from(card).toString());
    if (!terms)
      process.stderr.write(`${plain(uri)} has no card that states its terms; if it has any, name them: docs/hub.md\n`);
    return terms;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    process.stderr.write(
      `The terms of the model cannot be read (${plain(error.message)}); give --model if it has any\n`,
    );
    return null;
  }
}
