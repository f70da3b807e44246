import { derivedUuid } from '../../contract/digest.ts';
import { type LineageRun, lineageEvent, lineageInputs } from '../../contract/lineage.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { DatasetStatus } from '../../contract/schema/status.ts';
import type { Clock } from '../../kube/clock.ts';
import type { LineageSink } from '../../platform/lineage.ts';
import type { Logger } from '../../platform/log.ts';
import { redact } from '../../platform/redact.ts';
import { VERSION } from '../../platform/version.ts';
import type { Owner } from '../observed.ts';
import { lineageChanges } from './changes.ts';

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
  readonly owner: Pick<Owner, 'namespace' | 'name' | 'uid' | 'deletedAt'>;
  readonly status: DatasetStatus;
  /** The parsed resource; null while it is not valid. */
  readonly dataset: () => SyntheticDataset | null;
}

export interface LineageReporterOptions {
  readonly sink: LineageSink;
  /** Namespace of the jobs. */
  readonly namespace: string;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly log: Logger;
}

/** An installation without OpenLineage. */
export const NO_LINEAGE: LineageReporter = { report() {}, forget() {}, flush: async () => {} };

/** Older events are taken as sent by an operator before this one. */
const OLD_MS = 24 * 3_600_000;
/** Further events wait in the status of their dataset. */
const MAX_PENDING = 5_000;
const BACKOFF = { firstMs: 1000, maxMs: 60_000 };

export function createLineageReporter(options: LineageReporterOptions): LineageReporter {
  const { namespace, wallClock, log } = options;
  const oldest = wallClock() - OLD_MS;
  /** By uid: the events that are sent or about to be, and the run as last described. */
  const known = new Map<string, { readonly told: Set<string>; run: LineageRun | null }>();
  const pending: object[] = [];
  let sending: Promise<void> | null = null;
  const report = ({ owner, status, dataset }: LineageSubject): void => {
    const entry = known.get(owner.uid) ?? { told: new Set<string>(), run: null };
    for (const { state, time } of lineageChanges(status, owner.deletedAt)) {
      const id = `${state.type} ${time}`;
      if (entry.told.has(id) || Date.parse(time) < oldest || pending.length >= MAX_PENDING) continue;
      const parsed = dataset();
      if (parsed) entry.run = describeRun(namespace, owner, status, parsed);
      if (!entry.run) continue;
      known.set(owner.uid, entry);
      entry.told.add(id);
      const safe = 'message' in state ? { ...state, message: redact(state.message) } : state;
      pending.push(lineageEvent(entry.run, safe, time));
      sending ??= sendAll(options, pending).finally(() => {
        sending = null;
      });
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
    flush: async () => {
      await sending;
    },
  };
}

/** Sends until nothing is pending. A server that fails is tried again for as long as it takes. */
async function sendAll({ sink, clock, log }: LineageReporterOptions, pending: object[]): Promise<void> {
  for (let failures = 0; pending.length > 0; ) {
    const fault = await sink.emit(pending[0]!);
    if (!fault || fault.isFinal) {
      if (fault) log.warn({ why: fault.message }, 'an OpenLineage event was refused; it is not sent again');
      else if (failures > 0) log.info('OpenLineage events are sent again');
      failures = 0;
      pending.shift();
      continue;
    }
    if (failures === 0) log.warn({ why: fault.message }, 'OpenLineage events wait: their server takes none');
    const pauseMs = Math.min(BACKOFF.maxMs, BACKOFF.firstMs * 2 ** Math.min(failures++, 10));
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
  }
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
