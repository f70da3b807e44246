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

export interface TrainerObserver {
  /** The form of TrainJobs in the installed version; undefined where none is installed, or the schema is hidden. */
  observe(): Promise<TrainerApi | undefined>;
  /** A TrainJob was refused: another version may have been installed since. */
  forget(): void;
}

export function createTrainerObserver({ kube, now }: TrainerContext): TrainerObserver {
  let known: { readonly api: TrainerApi; readonly at: number } | null = null;
  return {
    async observe() {
      if (known !== null && now() - known.at < KNOWN_MS) return known.api;
      try {
        const fields = await kube.specFields('TrainJob');
        known = fields && { api: trainerApiOf(fields), at: now() };
        return known?.api;
      } catch (error) {
        if (isKubeError(error, 'forbidden')) return undefined;
        throw error;
      }
    },
    forget() {
      known = null;
    },
  };
}
