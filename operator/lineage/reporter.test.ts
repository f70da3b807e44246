import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { Condition, ConditionType, DatasetStatus } from '../../contract/schema/status.ts';
import type { LineageFault } from '../../platform/lineage.ts';
import { createLogger } from '../../platform/log.ts';
import { FakeClock } from '../../test/support/clock.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { lineageChanges } from './changes.ts';
import { createLineageReporter, type LineageSubject } from './reporter.ts';

const DIGEST = 'a'.repeat(64);
const MANIFEST = { uri: 's3://c/small/dataset.json', sha256: 'b'.repeat(64) };
const at = (minute: number): string => `2026-01-02T03:${String(minute).padStart(2, '0')}:00Z`;

/** A status whose conditions are given as minutes: true since then, or false since then where negative. */
function statusWith(minutes: Partial<Record<ConditionType, number>>, more: Partial<DatasetStatus> = {}): DatasetStatus {
  const conditions = Object.entries(minutes).map(
    ([type, minute]): Condition => ({
      type: type as ConditionType,
      status: minute > 0 ? 'True' : 'False',
      observedGeneration: 1,
      lastTransitionTime: at(Math.abs(minute)),
      reason: 'Some',
      message: `the reason of ${type}, password=hunter22`,
    }),
  );
  return { planDigest: DIGEST, conditions, ...more };
}

const RUNNING = statusWith({ Accepted: 5, Stalled: -1 });
const COMPLETE = statusWith(
  { Accepted: 5, Published: 30, Stalled: -1 },
  {
    manifest: MANIFEST,
    samples: { wanted: 24, accepted: 23, exhausted: 1, attempts: 40 },
    shards: { committed: 3, total: 3 },
  },
);

describe('F12: the states of a run that a status shows', () => {
  const cases: readonly (readonly [string, DatasetStatus, string | undefined, readonly string[]])[] = [
    ['nothing before there is a plan', { conditions: statusWith({ Stalled: 3 }).conditions! }, undefined, []],
    ['its start once the plan is accepted', RUNNING, undefined, ['START 1', 'RUNNING 5']],
    ['a failure while a person has to act', statusWith({ Accepted: 5, Stalled: 9 }), undefined, ['START 1', 'FAIL 9']],
    [
      'that it continues after a stall',
      statusWith({ Accepted: 5, Stalled: -12 }),
      undefined,
      ['START 1', 'RUNNING 12'],
    ],
    ['its end once the manifest is written', COMPLETE, undefined, ['START 1', 'COMPLETE 30']],
    ['that it was given up', RUNNING, at(20), ['START 1', 'RUNNING 5', 'ABORT 20']],
    ['no other end of a complete one', COMPLETE, at(40), ['START 1', 'COMPLETE 30']],
    [
      'no failure of its training',
      statusWith({ Accepted: 5, Published: 30, Stalled: 45 }, { manifest: MANIFEST }),
      undefined,
      ['START 1', 'COMPLETE 30'],
    ],
    [
      'a failure by an edit that is not valid',
      statusWith({ Accepted: -8, Stalled: 8 }),
      undefined,
      ['START 1', 'FAIL 8'],
    ],
    [
      'that it continues after such an edit',
      statusWith({ Accepted: 9, Stalled: -9 }),
      undefined,
      ['START 1', 'RUNNING 9'],
    ],
  ];
  for (const [what, status, deletedAt, expected] of cases)
    test(what, () => {
      const found = lineageChanges(status, { createdAt: at(1), ...(deletedAt && { deletedAt }) }).map(
        ({ state, time }) => `${state.type} ${Number(time.slice(14, 16))}`,
      );
      assert.deepEqual(found, expected);
    });
});

interface Sent {
  readonly eventType: string;
  readonly eventTime: string;
  readonly run: { readonly runId: string; readonly facets: { readonly errorMessage?: { readonly message: string } } };
  readonly job: { readonly namespace: string; readonly name: string };
  readonly inputs: readonly { readonly namespace: string; readonly name: string }[];
  readonly outputs: readonly { readonly namespace: string; readonly name: string; readonly outputFacets: object }[];
}

function setUp(now = at(50)) {
  const clock = new FakeClock();
  const sent: Sent[] = [];
  const logged: Record<string, unknown>[] = [];
  const answers: (LineageFault | null)[] = [];
  let refused = (_event: Sent): boolean => false;
  const refuse = (which: (event: Sent) => boolean): void => {
    refused = which;
  };
  const log = createLogger({ name: 'test' }, { write: (line) => void logged.push(JSON.parse(line)) });
  const reporter = createLineageReporter({
    sink: {
      emit: async (event) => {
        const isRefused = refused(event as Sent);
        const fault = answers.shift() ?? (isRefused ? { message: 'the server answers 500', isFinal: false } : null);
        if (!fault) sent.push(event as Sent);
        return fault;
      },
    },
    namespace: 'lab',
    clock,
    wallClock: () => Date.parse(now),
    log,
  });
  const dataset = smallDataset((spec) => {
    spec.output.uri = 's3://c/small';
    spec.model.uri = 's3://models/m';
  });
  const subject = (
    status: DatasetStatus,
    more: Partial<LineageSubject['owner']> = {},
    parsed: () => SyntheticDataset | null = () => dataset,
  ): LineageSubject => ({
    owner: { namespace: 'research', name: 'small', uid: 'uid-1', createdAt: at(1), ...more },
    status,
    dataset: parsed,
  });
  return { clock, sent, logged, answers, refuse, reporter, subject };
}

const typesOf = (sent: readonly Sent[]): string[] => sent.map(({ eventType }) => eventType);

describe('F12: events of an operator', () => {
  test('are sent once each, with one run id, and again by the next operator in the very same words', async () => {
    const [first, next] = [setUp(), setUp()] as const;
    for (const status of [RUNNING, RUNNING, COMPLETE, COMPLETE]) first.reporter.report(first.subject(status));
    await first.reporter.flush();
    assert.deepEqual(typesOf(first.sent), ['START', 'RUNNING', 'COMPLETE']);
    const [start, , complete] = first.sent;
    assert.equal(start!.run.runId, complete!.run.runId);
    assert.match(start!.run.runId, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual([start!.eventTime, complete!.eventTime], [at(1), at(30)]);
    assert.deepEqual([start!.job.namespace, start!.job.name], ['lab', 'research/small']);
    assert.deepEqual(start!.inputs.map(({ namespace, name }) => `${namespace} ${name}`)[0], 's3://models m');
    const [{ namespace, name, outputFacets }] = complete!.outputs as [Sent['outputs'][0]];
    assert.deepEqual([namespace, name], ['s3://c', 'small']);
    assert.match(JSON.stringify(outputFacets), /"rowCount":23,"fileCount":3\}/);
    next.reporter.report(next.subject(COMPLETE));
    await next.reporter.flush();
    // That it ran, a complete status does not show any more.
    assert.deepEqual(next.sent, [start, complete]);
    const other = setUp();
    other.reporter.report(other.subject(COMPLETE, { uid: 'uid-2' }));
    await other.reporter.flush();
    assert.notEqual(other.sent[0]!.run.runId, start!.run.runId);
  });

  test('of former days are not sent again', async () => {
    const { reporter, sent, subject } = setUp('2026-01-03T03:20:00Z');
    reporter.report(subject(COMPLETE));
    await reporter.flush();
    assert.deepEqual(typesOf(sent), ['COMPLETE']);
  });

  test('hold nothing up while their server is unreachable, and are sent in order once it is back', async () => {
    const { reporter, sent, subject, answers, clock, logged } = setUp();
    const unreachable: LineageFault = { message: 'fetch failed', isFinal: false };
    answers.push(unreachable, unreachable, unreachable);
    reporter.report(subject(RUNNING));
    await clock.advance(3500);
    reporter.report(subject(statusWith({ Accepted: 5, Stalled: 9 })));
    assert.equal(sent.length, 0);
    await clock.advance(60_000);
    await reporter.flush();
    assert.deepEqual(typesOf(sent), ['START', 'RUNNING', 'FAIL']);
    assert.deepEqual(
      logged.map(({ msg, why }) => [msg, why]),
      [
        ['OpenLineage events wait: their server takes none', 'fetch failed'],
        ['OpenLineage events are sent again', undefined],
      ],
    );
    const { message } = sent[2]!.run.facets.errorMessage!;
    assert.match(message, /^the reason of Stalled, password=\[redacted\]$/);
  });

  test('that are refused do not keep others waiting', async () => {
    const { reporter, sent, subject, answers, logged } = setUp();
    answers.push({ message: 'the server answers 422', isFinal: true });
    reporter.report(subject(COMPLETE));
    await reporter.flush();
    assert.deepEqual(typesOf(sent), ['COMPLETE']);
    assert.equal(logged.length, 1);
  });

  test('that one server error after another meets do not stop the others, and are dropped once those get through', async () => {
    const { reporter, sent, subject, logged, clock, refuse } = setUp();
    refuse((event) => event.eventType === 'FAIL');
    reporter.report(subject(statusWith({ Accepted: 5, Stalled: 9 }), { uid: 'poison' }));
    for (const uid of ['one', 'two']) reporter.report(subject(COMPLETE, { uid }));
    await clock.advance(60_000);
    assert.deepEqual(typesOf(sent), ['START', 'START', 'COMPLETE', 'START', 'COMPLETE']);
    reporter.report(subject(statusWith({ Accepted: 5, Stalled: -12 }), { uid: 'poison' }));
    await clock.advance(60_000);
    await reporter.flush();
    assert.deepEqual(typesOf(sent).slice(5), ['RUNNING']);
    assert.equal(sent[5]!.run.runId, sent[0]!.run.runId);
    const drops = logged.filter(({ msg }) => /is dropped: its server takes others/.test(`${msg}`));
    assert.deepEqual(
      drops.map(({ why }) => why),
      ['the server answers 500'],
    );
  });

  test('are kept in their order while a server takes none for a day', async () => {
    const { reporter, sent, subject, logged, clock, refuse } = setUp();
    refuse(() => true);
    for (const uid of ['one', 'two', 'three']) reporter.report(subject(COMPLETE, { uid }));
    for (let hour = 0; hour < 24; hour++) await clock.advance(3_600_000);
    refuse(() => false);
    await clock.advance(60_000);
    await reporter.flush();
    assert.deepEqual(typesOf(sent), ['START', 'COMPLETE', 'START', 'COMPLETE', 'START', 'COMPLETE']);
    assert.equal(new Set(sent.map(({ run }) => run.runId)).size, 3);
    assert.equal(logged.length, 2);
  });

  test('of 3,000 finished datasets are all sent', async () => {
    const { reporter, sent, subject } = setUp();
    for (let i = 0; i < 3000; i++) reporter.report(subject(COMPLETE, { uid: `uid-${i}` }));
    await reporter.flush();
    assert.equal(typesOf(sent).filter((type) => type === 'COMPLETE').length, 3000);
  });

  test('beyond what fits into memory are dropped with a word, and sent if their status is seen again', async () => {
    const { reporter, sent, subject, logged, clock, refuse } = setUp();
    refuse(() => true);
    for (let i = 0; i < 25_000; i++) reporter.report(subject(COMPLETE, { uid: `uid-${i}` }));
    for (const uid of ['late', 'later']) reporter.report(subject(COMPLETE, { uid }));
    refuse(() => false);
    await clock.advance(60_000);
    await reporter.flush();
    assert.equal(sent.length, 50_000);
    const drops = logged.filter(({ msg }) => /dropped/.test(`${msg}`));
    assert.deepEqual(
      drops.map(({ waiting, dropped }) => waiting ?? dropped),
      [50_000, 4],
    );
    reporter.report(subject(COMPLETE, { uid: 'late' }));
    await reporter.flush();
    assert.equal(sent.length, 50_002);
  });

  test('parse their dataset once', async () => {
    const { reporter, sent, subject } = setUp();
    let parsed = 0;
    const count = () => {
      parsed++;
      return smallDataset();
    };
    for (const status of [COMPLETE, COMPLETE]) reporter.report(subject(status, {}, count));
    await reporter.flush();
    assert.deepEqual([sent.length, parsed], [2, 1]);
  });

  test('name a folder alike, with a slash at its end or without, and a parent by its folder', async () => {
    const { reporter, sent, subject } = setUp();
    const child = smallDataset((spec) => {
      spec.output.uri = 's3://c/child//';
      spec.model.uri = 's3://models/m/';
      spec.extends = { manifest: 's3://c/small/dataset.json' };
    });
    reporter.report(subject(RUNNING, {}, () => child));
    await reporter.flush();
    const [{ inputs, outputs }] = sent as [Sent];
    assert.deepEqual([outputs[0]!.name, inputs[0]!.name, inputs.at(-1)!.name], ['child', 'm', 'small']);
  });

  test('of a resource that is not valid any more keep what was known of it; one that never was sends none', async () => {
    const { reporter, sent, subject } = setUp();
    reporter.report(subject(RUNNING, { uid: 'never' }, () => null));
    reporter.report(subject(RUNNING));
    reporter.report(subject(statusWith({ Accepted: -8, Stalled: 8 }), {}, () => null));
    reporter.report(subject(statusWith({ Accepted: 9, Stalled: -9 }), { deletedAt: at(20) }, () => null));
    await reporter.flush();
    assert.deepEqual(typesOf(sent), ['START', 'RUNNING', 'FAIL', 'RUNNING', 'ABORT']);
    assert.equal(new Set(sent.map(({ run }) => run.runId)).size, 1);
  });

  test('never throw into a reconcile', async () => {
    const { reporter, sent, subject, logged } = setUp();
    reporter.report(
      subject(RUNNING, {}, () => {
        throw new Error('a bug');
      }),
    );
    await reporter.flush();
    assert.deepEqual([sent.length, logged.length], [0, 1]);
  });
});
