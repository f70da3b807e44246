import { z } from 'zod';
import { SECTIONS } from '../../contract/cluster.ts';
import { grouped } from '../../contract/format.ts';
import type { ReasonName } from '../../contract/reasons.ts';
import { isKubeError } from '../../kube/errors.ts';
import type { Kube } from '../../kube/types.ts';
import { redact } from '../../platform/redact.ts';
import type { JobView, PodProblem } from '../observed.ts';

/** Facts that only Events hold: why pods cannot be made, and why the volumes of one cannot be mounted. */

const time = z.string().nullish();
const eventSchema = z.object({
  metadata: z.object({ creationTimestamp: time }),
  reason: z.string().default(''),
  note: z.string().default(''),
  eventTime: time,
  deprecatedFirstTimestamp: time,
  deprecatedLastTimestamp: time,
  series: z.object({ lastObservedTime: time }).nullish(),
});

interface Told {
  readonly reason: string;
  readonly note: string;
  readonly first: number;
  readonly last: number;
}

export interface EventsContext {
  readonly kube: Pick<Kube, 'list'>;
  readonly namespace: string;
  readonly now: number;
}

/** Events read for one object: there are few, and the last ones suffice. */
const MAX_EVENTS = 50;
/** Jobs, and Jobs with a stuck pod, whose Events are read in one reconcile. */
const MAX_LISTS = 3;
const MAX_MESSAGE = 400;
/** A Job controller that was refused tries again within ten minutes. */
const RECENT_MS = 660_000;
/** A controller needs a moment to make pods, and a node to mount volumes. */
const SETTLE_MS = 5000;

/** Jobs whose pods the API server refuses, each with its own words. */
export async function refusedPods(context: EventsContext, jobs: readonly JobView[]): Promise<PodProblem[]> {
  const short = jobs.filter(({ missing, createdAt }) => missing > 0 && context.now - createdAt >= SETTLE_MS);
  const found = await Promise.all(
    short.slice(0, MAX_LISTS).map(async (job) => {
      const told = latest(await eventsOf(context, job.uid, 'reason=FailedCreate'));
      return told && context.now - told.last <= RECENT_MS ? refusal(job, told) : null;
    }),
  );
  return found.filter((problem) => problem !== null);
}

function refusal(job: JobView, { note, first }: Told): PodProblem {
  // The name of a pod that was never made says nothing, and is another with each try.
  const words = clean(note.replace(/^Error creating: (pods? "[^"]*" is forbidden: )?/, ''));
  const message = `${grouped(job.missing)} of ${grouped(job.parallelism)} pods are refused: ${words}; ${fixFor(job, words)}`;
  return { job: job.name, pod: null, reason: 'PodsRefused', message, pods: job.missing, since: first };
}

/** Fixes for the API server's messages. */
function fixFor({ role, stage }: JobView, words: string): string {
  const place = stage === undefined ? SECTIONS[role] : `${SECTIONS[role]} (stage ${stage})`;
  const fixes: readonly (readonly [RegExp, string])[] = [
    [/must specify/i, `give ${place} resources with what the quota counts`],
    [
      /exceeded quota/i,
      `raise the ResourceQuota, or lower ${place} (${role === 'workers' ? 'replicas, ' : ''}resources)`,
    ],
    [/PodSecurity/i, `correct the podTemplate of ${place}, or the standard that the namespace enforces`],
    [/service ?account/i, 'create the ServiceAccount, or correct spec.workers.serviceAccountName'],
    [/PriorityClass/i, 'create the PriorityClass, or correct spec.workers.priorityClassName'],
    [/RuntimeClass/i, 'create the RuntimeClass, or correct spec.workers.runtimeClassName'],
    [
      /(maximum|minimum|limit to request ratio).*per (Pod|Container)/i,
      `correct the resources of ${place}, or the LimitRange`,
    ],
    [/webhook/i, `correct ${place}, or the webhook that refuses it`],
  ];
  return fixes.find(([pattern]) => pattern.test(words))?.[1] ?? `correct ${place}, or what refuses it`;
}

/** A pod on a node whose containers do not start, for no reason that its status gives. */
export interface UnexplainedPod {
  readonly job: string;
  readonly pod: string;
  readonly uid: string;
  readonly since: number;
}

/** The kubelet's messages about the first such pods; one of each Job represents all. */
export async function mountProblems(context: EventsContext, pods: readonly UnexplainedPod[]): Promise<PodProblem[]> {
  const ofJobs = [...Map.groupBy(pods, ({ job }) => job).values()];
  const found = await Promise.all(
    ofJobs.slice(0, MAX_LISTS).map(async (group) => {
      const oldest = group.reduce((a, b) => (b.since < a.since ? b : a));
      if (context.now - oldest.since < SETTLE_MS) return null;
      const told = latest((await eventsOf(context, oldest.uid, 'type=Warning')).filter(isOfStart));
      if (!told) return null;
      const { job, pod, since } = oldest;
      return { job, pod, ...problemOf(told), pods: group.length, since };
    }),
  );
  return found.filter((problem) => problem !== null);
}

const isOfStart = ({ reason }: Told): boolean => /^Failed(Mount|AttachVolume|MapVolume|CreatePodSandBox)$/.test(reason);

function problemOf({ reason, note }: Told): { reason: ReasonName; message: string } {
  const words = clean(note);
  if (reason === 'FailedCreatePodSandBox') {
    return { reason: 'PodFailed', message: `its containers cannot be started: ${words}` };
  }
  const fix =
    'create what is missing, or correct what names it (spec.workers.modelCache, a podTemplate, the NATS Secret)';
  return { reason: 'ConfigMissing', message: `its volumes cannot be mounted: ${words}; ${fix}` };
}

async function eventsOf({ kube, namespace }: EventsContext, uid: string, which: string): Promise<Told[]> {
  try {
    const fieldSelector = `regarding.uid=${uid},${which}`;
    const { items } = await kube.list({ kind: 'Event', namespace, fieldSelector, limit: MAX_EVENTS });
    return items.map(toldOf);
  } catch (error) {
    // Roles of a former version do not allow it, and nothing else is known the less.
    if (isKubeError(error, 'forbidden')) return [];
    throw error;
  }
}

function toldOf(object: unknown): Told {
  const { metadata, reason, note, ...times } = eventSchema.parse(object);
  const { series, deprecatedLastTimestamp, deprecatedFirstTimestamp, eventTime } = times;
  const millis = (...texts: readonly (string | null | undefined)[]) =>
    Date.parse(texts.find((text) => text) ?? '') || 0;
  return {
    reason,
    note,
    first: millis(deprecatedFirstTimestamp, eventTime, metadata.creationTimestamp),
    last: millis(series?.lastObservedTime, deprecatedLastTimestamp, eventTime, metadata.creationTimestamp),
  };
}

/** The last of them, dated from the first: each try that names another pod is an Event of its own. */
function latest(all: readonly Told[]): Told | null {
  const last = all.reduce<Told | null>((found, one) => (found === null || one.last >= found.last ? one : found), null);
  return last && { ...last, first: Math.min(...all.map(({ first }) => first)) };
}

const clean = (text: string): string => redact(text).replace(/\s+/g, ' ').trim().slice(0, MAX_MESSAGE);
