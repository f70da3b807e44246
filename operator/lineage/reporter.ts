import { derivedUuid } from '../../contract/digest.ts';
import { type LineageRun, lineageEvent, lineageInputs } from '../../contract/lineage.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { DatasetStatus } from '../../contract/schema/status.ts';
import { redact } from '../../platform/redact.ts';
import { VERSION } from '../../platform/version.ts';
import type { Owner } from '../observed.ts';
import { lineageChanges } from './changes.ts';
import { createOutbox, type Line, type OutboxOptions } from './outbox.ts';

/**
 * Sends the OpenLineage events of datasets, one after another, without ever holding up a reconcile. What to send is read from
 * each status, so nothing has to be remembered: an operator that restarts sends the events of the last day again, with the
 * same run ids and times.
 */
export interface LineageReporter {
  /** Sends what is new about a dataset, in a while. Never throws and never waits. */
  report(subject: LineageSubject): void;
  /** The dataset is gone; what is still to be sent about it is sent. */
  forget(uid: string): void;
  /** Resolves when nothing is left to send. */
  flush(): Promise<void>;
}

export interface LineageSubject {
  readonly owner: Pick<Owner, 'namespace' | 'name' | 'uid' | 'createdAt' | 'deletedAt'>;
  readonly status: DatasetStatus;
  /** The parsed resource; null while it is not valid. */
  readonly dataset: () => SyntheticDataset | null;
}

export interface LineageReporterOptions extends OutboxOptions {
  /** Namespace of the jobs. */
  readonly namespace: string;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
}

/** An installation without OpenLineage. */
export const NO_LINEAGE: LineageReporter = { report() {}, forget() {}, flush: async () => {} };

/** Older events are taken as sent by an operator before this one. */
const OLD_MS = 24 * 3_600_000;

export function createLineageReporter(options: LineageReporterOptions): LineageReporter {
  const { namespace, wallClock, log } = options;
  const oldest = wallClock() - OLD_MS;
  const outbox = createOutbox(options);
  /** By uid: the events that are sent or about to be, and the run as last described. */
  const known = new Map<string, Known>();
  const report = ({ owner, status, dataset }: LineageSubject): void => {
    const entry: Known = known.get(owner.uid) ?? { reported: new Set(), run: null, waiting: [] };
    let isParsed = false;
    for (const { state, time, shownSince = time } of lineageChanges(status, owner)) {
      const id = `${status.planDigest} ${state.type} ${time}`;
      if (entry.reported.has(id) || Date.parse(shownSince) < oldest) continue;
      // Parsed once, and only where there is something to report.
      const parsed = isParsed ? null : dataset();
      isParsed = true;
      if (parsed) entry.run = describeRun(namespace, owner, status, parsed);
      const { run } = entry;
      if (!run) continue;
      known.set(owner.uid, entry);
      const safe = 'message' in state ? { ...state, message: redact(state.message) } : state;
      if (outbox.add(entry, () => lineageEvent(run, safe, time))) entry.reported.add(id);
    }
  };
  return {
    report(subject) {
      try {
        report(subject);
      } catch (error) {
        log.error({ uid: subject.owner.uid, stack: (error as Error).stack }, 'an OpenLineage event was not made');
      }
    },
    forget: (uid) => {
      known.delete(uid);
    },
    flush: outbox.flush,
  };
}

/** A dataset and its events that wait. */
interface Known extends Line {
  readonly reported: Set<string>;
  run: LineageRun | null;
}

function describeRun(
  namespace: string,
  { uid, namespace: place, name }: LineageSubject['owner'],
  { planDigest }: DatasetStatus,
  dataset: SyntheticDataset,
): LineageRun {
  const { output, model } = dataset.spec;
  return {
    // One run for each resource and plan, whichever operator reports it.
    id: derivedUuid('cohortfarm run', uid, planDigest!),
    namespace,
    name: `${place}/${name}`,
    version: VERSION,
    inputs: lineageInputs(dataset, model.sha256 === undefined ? {} : { model: model.sha256 }),
    output: { uri: output.uri, version: planDigest! },
  };
}
