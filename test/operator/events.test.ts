import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createKube } from '../../kube/client.ts';
import { type EventNote, Events, type EventsOptions } from '../../kube/event-recorder.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { createLogger } from '../../platform/log.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { FakeClock } from '../support/clock.ts';
import { configOf } from './access.ts';

const skip = await missingForServers();

interface Event extends KubeObject {
  readonly reason: string;
  readonly note: string;
  readonly type: string;
  readonly regarding: { readonly kind: string; readonly name: string; readonly uid: string };
  readonly series?: { readonly count: number };
}

describe('events on a real API server', { skip }, () => {
  let plane: ControlPlane;
  let kube: Kube;
  let clock: FakeClock;
  let uid = 0;
  let owner: EventNote['owner'];

  before(async () => {
    plane = await startWithDefinition();
    kube = createKube({ transport: createTransport(configOf(plane)) });
  });
  after(() => plane.stop());
  beforeEach(() => {
    clock = new FakeClock();
    owner = { namespace: 'default', name: `dataset-${++uid}`, uid: `uid-${uid}` };
  });

  const recorder = (instance = 'a', client: EventsOptions['kube'] = kube) =>
    new Events({
      kube: client,
      instance,
      clock,
      wallClock: Date.now,
      log: createLogger({ name: 'test', level: 'silent' }),
    });
  const note = (message: string, reason = 'JobApplied'): EventNote => ({ owner, type: 'Normal', reason, message });
  const told = async () => {
    const { items } = await kube.list<Event>({ kind: 'Event', namespace: 'default' });
    return items.filter(({ regarding }) => regarding.uid === owner.uid);
  };

  it('are there for people, by kubectl events', async () => {
    const events = recorder();
    events.record(note('Created Job a-workers-1'));
    events.record({ ...note('Gates reject nearly all', 'AcceptanceTooLow'), type: 'Warning' });
    await events.flush();
    const list = await plane.kubectl('events', '--for', `syntheticdataset/${owner.name}`);
    assert.match(list, /Warning\s+AcceptanceTooLow\s+\S+\s+Gates reject nearly all/);
    const [event] = await told();
    assert.deepEqual(event!.regarding, {
      kind: 'SyntheticDataset',
      namespace: 'default',
      name: owner.name,
      uid: owner.uid,
      apiVersion: 'cohortfarm.dev/v1alpha1',
    });
  });

  it('are one object with a count when the same is said again, also by another process', async () => {
    const first = recorder();
    for (let i = 0; i < 5; i++) {
      first.record(note('Cannot pull'));
      await clock.advance(11_000);
    }
    await first.flush();
    assert.deepEqual(
      (await told()).map(({ series }) => series?.count),
      [5],
    );
    const next = recorder('b');
    next.record(note('Cannot pull'));
    await next.flush();
    assert.deepEqual(
      (await told()).map(({ series }) => series?.count),
      [6],
    );
  });

  it('are counted but not written each time when said over and over', async () => {
    const writes: string[] = [];
    const counting: EventsOptions['kube'] = {
      ...kube,
      create: (object) => {
        writes.push('create');
        return kube.create(object);
      },
      mergePatch: (ref, body) => {
        writes.push('patch');
        return kube.mergePatch(ref, body);
      },
    };
    const events = recorder('a', counting);
    for (let i = 0; i < 1000; i++) {
      events.record(note('Over and over'));
      if (i % 100 === 99) await clock.advance(10_000);
    }
    await events.flush();
    assert.deepEqual(writes.filter((write) => write === 'patch').length, 9);
    assert.ok(writes.length <= 19, writes.join());
    const [event] = await told();
    assert.equal(event!.series?.count, 901);
  });

  it('are not written without bound about one object, nor does one keep others from being heard', async () => {
    const events = recorder();
    for (let i = 0; i < 100; i++) events.record(note(`Different each time: ${i}`));
    const loud = owner;
    owner = { namespace: 'default', name: 'quiet', uid: 'quiet' };
    events.record(note('One word'));
    await events.flush();
    assert.equal((await told()).length, 1);
    owner = loud;
    assert.equal((await told()).length, 25);
    await clock.advance(60_000);
    for (let i = 0; i < 10; i++) events.record(note(`Later: ${i}`));
    await events.flush();
    assert.equal((await told()).length, 27);
  });

  it('are cut to what the API server takes, and failures are nobody else’s business', async () => {
    const events = recorder();
    events.record(note('ä🙂'.repeat(600)));
    owner = { ...owner, name: `${'n'.repeat(240)}-${uid}` };
    events.record(note('A long name'));
    const here = owner;
    owner = { ...owner, namespace: 'not-there' };
    events.record(note('Nowhere to be written'));
    owner = here;
    await events.flush();
    assert.deepEqual((await told()).map(({ note }) => note.length < 1024).sort(), [true, true]);
  });
});
