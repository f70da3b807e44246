import { isKubeError } from '../../kube/errors.ts';
import type { Kube } from '../../kube/types.ts';
import { type TrainerApi, trainerApiOf } from '../desired/trainer-api.ts';

/** Kubeflow Trainer may be upgraded while the operator runs. */
const KNOWN_MS = 300_000;

export interface TrainerContext {
  readonly kube: Pick<Kube, 'specFields'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Reads how TrainJobs are written in the installed version; undefined where none is installed, or the schema is hidden. */
export function createTrainerObserver({ kube, now }: TrainerContext): () => Promise<TrainerApi | undefined> {
  let known: { readonly api: TrainerApi; readonly at: number } | null = null;
  return async () => {
    if (known !== null && now() - known.at < KNOWN_MS) return known.api;
    try {
      const fields = await kube.specFields('TrainJob');
      known = fields && { api: trainerApiOf(fields), at: now() };
      return known?.api;
    } catch (error) {
      if (isKubeError(error, 'forbidden')) return undefined;
      throw error;
    }
  };
}
