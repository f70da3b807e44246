import type { RefusedByGate } from '../../contract/schema/evidence.ts';
import type { CellTally } from '../../contract/schema/record.ts';
import type { Gate } from '../../contract/schema/spec.ts';
import { type Group, groupName, isOf } from './groups.ts';
import { distancesOf } from './nearest.ts';

/**
 * Images that Novelty gates refused, and how near they were to what they resembled, from what records say. Of samples without
 * any image nothing but counts is recorded.
 */

/** A record as far as it counts here. */
export interface JudgedSample {
  readonly axes: Group;
  readonly scores: Readonly<Record<string, number>>;
  readonly rejected: readonly { readonly gate: string; readonly scores: Readonly<Record<string, number | null>> }[];
}

/** Distances that a gate measured of images that were accepted, that it refused, and that another gate rejected. */
type Measured = Record<'accepted' | 'refused' | 'otherwise', number[]>;

interface Judged {
  readonly axes: Group;
  readonly measured: Measured;
}

export interface RefusalCounter {
  add(record: JudgedSample): void;
  /** @param cells the outcome of each cell, with its axis values */
  finish(groups: readonly Group[], cells: readonly RefusedCell[]): RefusedByGate[];
}

export type RefusedCell = Pick<CellTally, 'rejected'> & { readonly axes: Group };

export function createRefusalCounter(all: readonly Gate[]): RefusalCounter {
  const gates = all.flatMap(({ name, against, threshold }) =>
    against === undefined || threshold === undefined ? [] : [{ name, against, threshold }],
  );
  // By cell: few keys, and any group is made of whole cells.
  const found = gates.map(() => new Map<string, Judged>());
  return {
    add({ axes, scores, rejected }) {
      for (const [i, { name }] of gates.entries()) {
        const cell = groupName(axes);
        const judged: Judged = found[i]!.get(cell) ?? { axes, measured: { accepted: [], refused: [], otherwise: [] } };
        found[i]!.set(cell, judged);
        const { measured } = judged;
        if (Object.hasOwn(scores, name)) measured.accepted.push(scores[name]!);
        for (const one of rejected) {
          const distance = Object.hasOwn(one.scores, name) ? one.scores[name]! : null;
          if (distance !== null) measured[one.gate === name ? 'refused' : 'otherwise'].push(distance);
        }
      }
    },
    finish(groups, cells) {
      return gates.map((gate, i) => ({
        gate: gate.name,
        against: gate.against,
        threshold: gate.threshold,
        groups: groups.flatMap((group) => {
          const refused = cells
            .filter(({ axes }) => isOf(group, axes))
            .reduce((sum, { rejected }) => sum + (Object.hasOwn(rejected, gate.name) ? rejected[gate.name]! : 0), 0);
          const isCell = Object.keys(group).length > 1;
          if (isCell && refused === 0) return [];
          const measured = [...found[i]!.values()].filter(({ axes }) => isOf(group, axes));
          const of = (outcome: keyof Measured) => {
            const distances = Float64Array.from(measured.flatMap((cell) => cell.measured[outcome]));
            return { images: distances.length, ...(distances.length > 0 && { distances: distancesOf(distances) }) };
          };
          return [
            {
              group: { ...group },
              refused,
              ofRefused: of('refused'),
              ofOthers: of('otherwise'),
              ofAccepted: of('accepted'),
            },
          ];
        }),
      }));
    },
  };
}
