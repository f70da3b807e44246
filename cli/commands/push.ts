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
import { type ObjectStore, openStore, StoreError } from '../../platform/store/store.ts';
import { addCredentialOptions, type CredentialFlags, credentialSigner } from '../credentials.ts';
import { addHubOptions, type HubFlags, hubAt } from '../hub.ts';
import { addS3Options, openDataset, type S3Flags, s3FromFlags } from '../open.ts';
import { countShards } from '../progress.ts';
import { plain } from '../status/text.ts';

/** `cohortfarm push`: a published dataset on the Hugging Face Hub (docs/hub.md). */

interface PushOptions extends S3Flags, HubFlags, CredentialFlags {
  readonly splits?: string;
  readonly model?: string;
  readonly public?: boolean;
  /** False with --no-model-terms. */
  readonly modelTerms: boolean;
  /** False with --no-credentials. */
  readonly credentials: boolean;
}

export function addPush(program: Command): void {
  addS3Options(
    addHubOptions(
      addCredentialOptions(
        program
          .command('push')
          .description(
            'Push a published dataset to the Hugging Face Hub. Run it again to resume: only the rest is sent.',
          )
          .argument('<uri>', 'directory or s3://bucket/prefix of the dataset')
          .argument('<hub-uri>', 'hf://datasets/ORG/NAME; a repository that does not exist is made, private')
          .option('--splits <shares>', 'splits of whole shards, such as train=0.8,test=0.2; default: all is train')
          .option('--public', 'make the repository public once all is there, gated if there are terms of access')
          .option('--model <uri>', "model whose card states its terms; default: the dataset's spec.model.uri")
          .option('--no-credentials', 'replace signed images in the repository by images that are not signed')
          .option('--no-model-terms', 'the model has no terms to carry along; its card is not read'),
      ),
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
  const signer = await credentialSigner(options);
  const removeCredentials = options.credentials === false;
  if (signer && removeCredentials)
    throw new UsageError('--certificate and --no-credentials contradict each other; leave one out');
  const modelTerms = await termsOfModel(source, options);
  const { samples, sent, kept, isPublic } = await pushDataset({
    source,
    repository,
    splits,
    makePublic: options.public === true,
    modelTerms,
    signer,
    removeCredentials,
    onShard: countShards(process.stderr),
  });
  const before = kept > 0 ? `, ${grouped(kept)} were there before` : '';
  process.stdout.write(
    `Pushed: ${grouped(samples)} images; ${grouped(sent.files)} files sent (${(sent.bytes / 1e6).toFixed(1)} MB)${before}; ${repository.page}\n`,
  );
  if (!isPublic) process.stderr.write('The repository is private; push again with --public to open it.\n');
}

/** The terms in the card of the model. One that cannot be read is a remark, but nothing is opened without it. */
async function termsOfModel(source: ObjectStore, options: PushOptions): Promise<ModelTerms | null> {
  if (options.modelTerms === false) {
    if (options.model === undefined) return null;
    throw new UsageError('--model and --no-model-terms contradict each other; leave one out');
  }
  const uri = options.model ?? (await readManifest(source))?.model.uri;
  if (uri === undefined) return null;
  const found = await readModelTerms(uri, options);
  if (typeof found !== 'string') return found.terms;
  const problem = `the terms of the model are not known: ${found}`;
  if (options.public)
    throw new UsageError(
      `${problem}; name the folder of the model with --model, or give --no-model-terms if it has none`,
    );
  process.stderr.write(`${problem}; --public needs --model, or --no-model-terms if it has none\n`);
  return null;
}

/** Reads the terms in a model's card: null if it states none, or the reason why no card could be read. */
async function readModelTerms(
  uri: string,
  options: PushOptions,
): Promise<{ readonly terms: ModelTerms | null } | string> {
  // Relative to a file that is not known here: another model may be in that place.
  if (options.model === undefined && !isAbsoluteUri(uri))
    return `the dataset names it by a relative path (${plain(uri)})`;
  try {
    const card = await openStore(resolveUri(uri, process.cwd()), s3FromFlags(options)).get(objects.card);
    return card
      ? { terms: parseModelTerms(uri, Buffer.from(card).toString()) }
      : `${plain(uri)} has no card (README.md)`;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return plain(error.message);
  }
}

/** Whether a URI is the same from anywhere. */
const isAbsoluteUri = (uri: string): boolean => resolveUri(uri, '/a') === resolveUri(uri, '/b');
