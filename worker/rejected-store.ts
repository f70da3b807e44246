import { canonicalJson } from '../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../contract/names.ts';
import type { Plan } from '../contract/plan/plan.ts';
import type { RejectedRecord } from '../contract/schema/record.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import type { Attempt, Rejection } from './attempt-queue.ts';

/**
 * Keeping rejected images to look at: `quality.keepRejected` places per cell, first come, first kept. A place is taken by
 * its JSON, conditionally, so that all workers together keep no more than asked; the image follows.
 */

export interface RejectedImage {
  readonly attempt: Attempt;
  readonly refusal: Pick<Rejection, 'gate' | 'scores'>;
  /** Encodes the image; called only if it is kept. */
  encode(): Promise<Uint8Array>;
}

export interface Keeper {
  keep(image: RejectedImage): Promise<void>;
}

export function createKeeper(plan: Plan, store: ObjectStore): Keeper {
  const limit = plan.spec.quality.keepRejected;
  /** For each cell, the place to try next; all before it are known to be taken. */
  const next = new Map<number, number>();
  const extension = plan.spec.output.image.format === 'jpeg' ? 'jpg' : 'png';
  return {
    async keep(image) {
      const { cell } = image.attempt.sample;
      const body = Buffer.from(`${canonicalJson(describe(plan, image))}\n`);
      for (let place = next.get(cell) ?? 0; place < limit; place++) {
        const key = objects.rejected(cell, place);
        const written = await store.create(`${key}.json`, body, { contentType: CONTENT_TYPES.json });
        next.set(cell, Math.max(next.get(cell) ?? 0, place + 1));
        // A worker that was killed and started again meets its own entries.
        const mine = written === 'created' || body.equals((await store.get(`${key}.json`)) ?? new Uint8Array());
        if (!mine) continue;
        await store.create(`${key}.${extension}`, await image.encode(), { contentType: CONTENT_TYPES[extension] });
        return;
      }
    },
  };
}

function describe(plan: Plan, { attempt, refusal }: RejectedImage): RejectedRecord {
  const { sample, attempt: number, seed } = attempt;
  return {
    apiVersion: 'cohortfarm.dev/rejected/v1',
    synthetic: true,
    index: sample.index,
    cell: plan.allocation.grid.cells[sample.cell]!.id,
    axes: { ...sample.axes },
    exact: { ...sample.exact },
    prompt: sample.prompt,
    attempt: number,
    seed,
    ...refusal,
    planDigest: plan.digest,
  };
}
