import { sha256 } from '../contract/digest.ts';
import { isEncoderFile, isGateFile, isModelFile, isReferenceFile } from '../contract/folder.ts';
import { hasModel } from '../contract/gates/gate-types.ts';
import { parseEvaluation } from '../contract/plan/evaluation.ts';
import { readImpressions } from '../contract/plan/impressions.ts';
import type { Parent } from '../contract/plan/origin.ts';
import { makePlan, type Plan, type PlanInputs } from '../contract/plan/plan.ts';
import { SpecError } from '../contract/schema/issue.ts';
import { manifestSchema } from '../contract/schema/manifest.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { heldOutQuantile, readReference } from '../dataset/reference.ts';
import { parseStored } from '../dataset/stored.ts';
import { assertSelfContained } from '../diffusion/external-data.ts';
import { readModelDefaults } from '../diffusion/model-defaults.ts';
import { readCsv } from '../platform/csv.ts';
import {
  type Folder,
  type FolderWanted,
  fetchFolder,
  type ResourceContext,
  readResource,
  resolveUri,
} from '../platform/resource.ts';

/** From a spec to a plan: fetches what the spec names and hands it to the pure planner. */

export interface Prepared {
  readonly plan: Plan;
  readonly modelDir: string;
  /** One per gate, in order: of its graph, or of the reference that a Novelty gate compares with. */
  readonly gateDirs: readonly string[];
  /** Null where no features are wanted. */
  readonly encoderDir: string | null;
  /** Null where the cohort is compared with no real images. */
  readonly referenceDir: string | null;
}

/** @throws SpecError with all that the spec names and is not there; StoreError or ModelError */
export async function prepare(dataset: SyntheticDataset, context: ResourceContext): Promise<Prepared> {
  const { model, quality } = dataset.spec;
  const errors: SpecError[] = [];
  const attempt = <T>(result: Promise<T>): Promise<T | undefined> =>
    result.catch((error) => {
      if (!(error instanceof SpecError)) throw error;
      errors.push(error);
      return undefined;
    });
  const tables = await attempt(readTables(dataset, context));
  const parent = await attempt(readParent(dataset, context));
  const modelFolder = await attempt(
    fetchFolder({ uri: model.uri, includes: isModelFile, sha256: model.sha256, field: 'spec.model.uri' }, context),
  );
  const evidence = await fetchEvidence(quality, (wanted) => attempt(fetchFolder(wanted, context)));
  const gateFolders: Folder[] = [];
  for (const [i, gate] of quality.gates.entries()) {
    if (!hasModel(gate)) {
      const compared = gate.against === 'Training' ? evidence.reference : evidence.encoder;
      if (compared) gateFolders.push(compared);
      continue;
    }
    const wanted = { uri: gate.modelUri, includes: isGateFile, sha256: gate.sha256 };
    const folder = await attempt(fetchFolder({ ...wanted, field: `spec.quality.gates[${i}].modelUri` }, context));
    if (folder) gateFolders.push(folder);
  }
  if (!tables || parent === undefined || !modelFolder || errors.length > 0) {
    throw new SpecError(
      errors.flatMap(({ issues }) => issues),
      { reason: errors[0]!.reason },
    );
  }
  await assertSelfContained(modelFolder.dir, isModelFile);
  for (const { dir } of gateFolders) await assertSelfContained(dir, isGateFile);
  const { encoder, reference } = evidence;
  if (encoder) await assertSelfContained(encoder.dir, isEncoderFile);
  const identity = { digest: modelFolder.digest, defaults: await readModelDefaults(modelFolder.dir) };
  const plan = makePlan(dataset, {
    ...tables,
    ...(parent && { parent }),
    model: identity,
    gateDigests: gateFolders.map(({ digest }) => digest),
    ...(encoder && { encoderDigest: encoder.digest }),
    ...(reference && { reference: { digest: reference.digest, quantile: await quantilesOf(reference, encoder) } }),
  });
  return {
    plan,
    modelDir: modelFolder.dir,
    gateDirs: gateFolders.map(({ dir }) => dir),
    encoderDir: encoder?.dir ?? null,
    referenceDir: reference?.dir ?? null,
  };
}

/** Fetches the encoder and the reference, where the spec names them. */
async function fetchEvidence(
  { encoder, reference }: SyntheticDataset['spec']['quality'],
  fetch: (wanted: FolderWanted) => Promise<Folder | undefined>,
): Promise<{ encoder: Folder | undefined; reference: Folder | undefined }> {
  return {
    encoder:
      encoder &&
      (await fetch({
        uri: encoder.modelUri,
        includes: isEncoderFile,
        sha256: encoder.sha256,
        field: 'spec.quality.encoder.modelUri',
      })),
    reference:
      reference &&
      (await fetch({
        uri: reference.uri,
        includes: isReferenceFile,
        sha256: reference.sha256,
        field: 'spec.quality.reference.uri',
      })),
  };
}

/** @throws SpecError when another encoder made the reference; Failure when it is damaged */
async function quantilesOf(folder: Folder, encoder: Folder | undefined): Promise<(share: number) => number> {
  const reference = await readReference(folder.dir);
  const made = reference.description.encoder;
  if (made.sha256 !== encoder?.digest) {
    const message = `was made by the encoder ${made.name} (${made.sha256.slice(0, 12)}), not by that of spec.quality.encoder (${encoder?.digest.slice(0, 12)}); make it anew with \`cohortfarm features\`, or name its encoder`;
    throw new SpecError([{ path: 'spec.quality.reference.uri', message }]);
  }
  return (share) => heldOutQuantile(reference, share);
}

/** Reads the manifest of the dataset that a spec extends; null where it extends none. @throws SpecError when it is not one */
export async function readParent({ spec }: SyntheticDataset, context: ResourceContext): Promise<Parent | null> {
  if (!spec.extends) return null;
  const { manifest: uri } = spec.extends;
  const field = 'spec.extends.manifest';
  const bytes = await readResource(uri, field, context);
  const parsed = parseStored(bytes, manifestSchema);
  if (typeof parsed !== 'string')
    return { manifest: parsed.value, sha256: sha256(bytes), uri: resolveUri(uri, context.baseDir) };
  throw new SpecError([{ path: field, message: `${uri} ${parsed}; name the dataset.json of a published dataset` }]);
}

/** Fetches the model of a published dataset. @throws StoreError when it is not the one the dataset was made with */
export async function prepareModel(uri: string, sha256: string, context: ResourceContext): Promise<string> {
  const wanted = { uri, includes: isModelFile, sha256, field: 'model (give its place now with --model)' };
  const { dir } = await fetchFolder(wanted, context);
  await assertSelfContained(dir, isModelFile);
  return dir;
}

/** The files of a spec: cohort, table, evaluation, impressions. */
export async function readTables(
  { spec }: SyntheticDataset,
  context: ResourceContext,
): Promise<Pick<PlanInputs, 'cohort' | 'table' | 'evaluation' | 'impressions'>> {
  const { cohort, table, evaluation } = spec.quota.allocation;
  const { impressionsFrom } = spec.prompt;
  const rows = async (uri: string, field: string) => readCsv(await readResource(uri, field, context), uri);
  return {
    ...(cohort && { cohort: await rows(cohort.uri, 'spec.quota.allocation.cohort.uri') }),
    ...(table && { table: await rows(table.uri, 'spec.quota.allocation.table.uri') }),
    ...(evaluation && {
      evaluation: parseEvaluation(
        Buffer.from(await readResource(evaluation.uri, 'spec.quota.allocation.evaluation.uri', context)).toString(),
      ),
    }),
    ...(impressionsFrom && {
      impressions: readImpressions(await rows(impressionsFrom.uri, 'spec.prompt.impressionsFrom.uri')),
    }),
  };
}
