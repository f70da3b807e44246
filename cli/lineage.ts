import { describeError, StoppedError } from '../contract/failure.ts';
import { type LineageRun, type LineageState, lineageEvent, lineageInputs } from '../contract/lineage.ts';
import type { Manifest } from '../contract/schema/manifest.ts';
import { openLineage } from '../platform/lineage.ts';
import { redact } from '../platform/redact.ts';
import { resolveUri } from '../platform/resource.ts';
import { VERSION } from '../platform/version.ts';
import type { Prepared } from '../worker/prepare.ts';
import type { Loaded } from './load.ts';

/** OpenLineage events of `cohortfarm run`: one when it begins, one when it ends. */

export interface LineageRequest {
  readonly target: string | undefined;
  readonly id: string;
  readonly loaded: Loaded;
  readonly prepared: Prepared;
  /** Absolute URI of the dataset. */
  readonly output: string;
}

/** Grows a dataset between its events. Without a target nothing is sent. A target that fails is a remark, once. */
export async function withLineage(request: LineageRequest, grow: () => Promise<Manifest>): Promise<Manifest> {
  const target = request.target ?? process.env.OPENLINEAGE_URL;
  if (!target) return grow();
  const setting = request.target === undefined ? 'OPENLINEAGE_URL' : '--lineage';
  const sink = openLineage({ target, setting, apiKey: process.env.OPENLINEAGE_API_KEY });
  const run = describeRun(request);
  let isSilent = false;
  const send = async (state: LineageState): Promise<void> => {
    const fault = await sink.emit(lineageEvent(run, state, new Date().toISOString()));
    if (fault !== null && !isSilent)
      process.stderr.write(`OpenLineage events are lost (${fault.message}); the run continues\n`);
    isSilent ||= fault !== null;
  };
  await send({ type: 'START' });
  try {
    const manifest = await grow();
    const { samples, shards } = manifest;
    const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    await send({ type: 'COMPLETE', output: { images: samples.accepted, shards: shards.length, bytes } });
    return manifest;
  } catch (error) {
    const type = error instanceof StoppedError ? 'ABORT' : 'FAIL';
    await send({ type, message: redact(describeError(error).split('\n')[0]!) });
    throw error;
  }
}

function describeRun({ id, loaded, prepared, output }: LineageRequest): LineageRun {
  const { dataset, resources } = loaded;
  const { plan } = prepared;
  return {
    id,
    namespace: process.env.OPENLINEAGE_NAMESPACE || 'cohortfarm',
    name: plan.name,
    version: VERSION,
    inputs: lineageInputs(dataset, {
      place: (uri) => resolveUri(uri, resources.baseDir),
      model: plan.model.digest,
      ...(plan.parent && { parent: plan.parent.sha256 }),
    }),
    output: { uri: output, version: plan.digest },
  };
}
