import { appliesTo, isRecordedWithin, passInterval } from '../contract/gates/gate-types.ts';
import { wilson } from '../contract/interval.ts';
import type { Agreement } from '../contract/schema/agreement.ts';
import type { SampleRecord } from '../contract/schema/record.ts';
import type { Gate } from '../contract/schema/spec.ts';

/** Counts of accepted images in which gates that refuse nothing find what the prompts asked for. */

type Judged = Pick<SampleRecord, 'axes' | 'exact' | 'scores'>;

export interface AgreementCounter {
  add(record: Judged): void;
  /** One entry for each gate that refuses nothing; undefined where there is none. */
  finish(): Agreement[] | undefined;
}

interface Count {
  agreed: number;
  images: number;
}

/** Counts in memory that depends on the axes alone. @param gates of the plan */
export function createAgreementCounter(gates: readonly Gate[]): AgreementCounter {
  const counts = gates
    .filter(({ enforce }) => enforce === false)
    .map((gate) => ({
      gate,
      all: { agreed: 0, images: 0 },
      groups: new Map<string, Count & { axis: string; value: string }>(),
    }));
  return {
    add(record) {
      for (const { gate, all, groups } of counts) {
        const score = record.scores[gate.name];
        if (score === undefined || !appliesTo(gate, record.axes)) continue;
        const agreed = isRecordedWithin(passInterval(gate, record.exact), score);
        for (const [axis, value] of Object.entries(record.axes)) {
          const key = JSON.stringify([axis, value]);
          const group = groups.get(key) ?? { axis, value, agreed: 0, images: 0 };
          groups.set(key, group);
          count(group, agreed);
        }
        count(all, agreed);
      }
    },
    finish() {
      if (counts.length === 0) return undefined;
      return counts.map(({ gate, all, groups }) => ({
        gate: gate.name,
        ...shareOf(all),
        groups: [...groups]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, { axis, value, ...group }]) => ({ group: { [axis]: value }, ...shareOf(group) })),
      }));
    },
  };
}

function count(into: Count, agreed: boolean): void {
  into.images++;
  if (agreed) into.agreed++;
}

function shareOf({ agreed, images }: Count) {
  const share = images === 0 ? null : { value: agreed / images, interval: wilson(agreed, images) };
  return { images, agreed, share };
}
