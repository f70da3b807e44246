import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KubeError } from '../kube/errors.ts';
import type { KubeObject, Ref, Stored } from '../kube/types.ts';
import { createLogger } from '../platform/log.ts';
import { FakeClock } from '../test/support/clock.ts';
import { Claims, type ClaimsOptions, claimOf, refusalMessage } from './claims.ts';

const DURATION_MS = 60_000;
/** A holder that has gone is found out at the next try after its claim has run out. */
const TAKEN_OVER_MS = DURATION_MS + 2 * 16_500;

/** Installations around one API server, whose Leases are a map. */
function setUp() {
  const clock = new FakeClock();
  const leases = new Map<string, Stored>();
  const going = new Set<string>();
  const forbidden = new Set<string>();
  const gone = new Set<string>();
  const down = { is: false };
  /** Namespaces in the order of the calls. */
  const calls: string[] = [];
  let version = 0;
  const idOf = ({ namespace, name }: Pick<Ref, 'namespace' | 'name'>) => `${namespace}/${name}`;
  const store = (object: KubeObject): Stored => {
    const stored = { ...object, metadata: { ...object.metadata, uid: 'u', resourceVersion: String(++version) } };
    leases.set(idOf(object.metadata), stored);
    return stored;
  };
  const kube = {
    get: async (ref: Ref) => {
      calls.push(ref.namespace);
      if (down.is) throw new KubeError('unavailable', { reason: 'ECONNREFUSED', message: 'no answer' });
      return leases.get(idOf(ref)) ?? null;
    },
    create: async (object: KubeObject) => {
      const { namespace } = object.metadata;
      const refused = { reason: 'Forbidden', message: `cannot create Lease in ${namespace}` };
      if (going.has(namespace)) throw new KubeError('forbidden', { ...refused, causes: ['NamespaceTerminating'] });
      if (forbidden.has(namespace)) throw new KubeError('forbidden', refused);
      if (gone.has(namespace)) throw new KubeError('notFound', { reason: 'NotFound', message: `no ${namespace}` });
      return store(object);
    },
    mergePatch: async (ref: Ref, body: KubeObject) => {
      const before = leases.get(idOf(ref))!;
      if (before.metadata.resourceVersion !== body.metadata.resourceVersion) {
        throw new KubeError('conflict', { reason: 'Conflict', message: 'modified' });
      }
      return store({ ...before, spec: { ...(before.spec as object), ...(body.spec as object) } });
    },
  } as unknown as ClaimsOptions['kube'];
  const install = (installation: string, change: Partial<ClaimsOptions> = {}) => {
    const story: string[] = [];
    const claims = new Claims({
      ...{ kube, installation, operatorClass: '', namespaces: [], clock, wallClock: () => clock.now() },
      random: () => 0.5,
      log: createLogger({ name: 'test', level: 'silent' }),
      events: { record: ({ owner, type, reason }) => story.push(`${type} ${reason} ${owner.namespace}/${owner.name}`) },
      onReady: () => story.push('ready'),
      onHeld: (namespace) => story.push(`holds ${namespace}`),
      onLost: (why) => story.push(why),
      ...{ durationMs: DURATION_MS, idleMs: 900_000 },
      ...change,
    });
    claims.start();
    return { claims, story };
  };
  return { clock, leases, going, forbidden, gone, down, calls, install };
}

describe('A25: of two installations of one class', () => {
  test('that look after the whole cluster, the second one waits, says for whom, and follows when that is gone', async () => {
    const { clock, install } = setUp();
    const first = install('farm/cohortfarm');
    await clock.advance(100);
    const second = install('other/cohortfarm');
    await clock.advance(600_000);
    assert.deepEqual([first.story, first.claims.problem, first.claims.refused], [['ready'], null, 0]);
    assert.deepEqual(second.story, ['Warning ClassTaken default/cluster-claim.cohortfarm.dev']);
    assert.match(second.claims.problem!, /^installation farm\/cohortfarm looks after the datasets without a class in/);
    assert.equal(second.claims.refused, 1);
    first.claims.stop();
    await clock.advance(DURATION_MS - 20_000);
    assert.equal(second.claims.refused, 1);
    await clock.advance(TAKEN_OVER_MS - DURATION_MS + 20_000);
    assert.deepEqual(second.story.slice(1), ['ready']);
    assert.deepEqual([second.claims.problem, second.claims.refused], [null, 0]);
  });

  test('that is upgraded or has another leader, none waits: its replicas have the same claims', async () => {
    const { clock, install } = setUp();
    const before = install('farm/cohortfarm');
    await clock.advance(100);
    const other = install('other/cohortfarm');
    await clock.advance(1000);
    before.claims.stop();
    await clock.advance(30_000);
    const after = install('farm/cohortfarm');
    await clock.advance(600_000);
    assert.deepEqual([after.story, other.story.includes('ready')], [['ready'], false]);
  });

  test('one of which has another class, or namespaces of its own, none waits', async () => {
    const { clock, install } = setUp();
    const all = [
      install('a/farm'),
      install('b/farm', { operatorClass: 'research' }),
      install('c/farm', { namespaces: ['radiology', 'pathology'] }),
      install('d/farm', { namespaces: ['cardiology'] }),
    ];
    await clock.advance(300_000);
    for (const { story, claims } of all) assert.deepEqual([story.includes('ready'), claims.problem], [true, null]);
    assert.deepEqual(
      await Promise.all(['radiology', 'cardiology'].flatMap((name) => all.map(({ claims }) => claims.mayWorkIn(name)))),
      // One of another class is asked for datasets of its own alone.
      [false, true, true, false, false, true, false, true],
    );
  });

  test('that share a namespace, the first to come works there, and both work elsewhere', async () => {
    const { clock, install } = setUp();
    const first = install('a/farm', { namespaces: ['shared', 'a'] });
    await clock.advance(100);
    const second = install('b/farm', { namespaces: ['shared', 'b'] });
    const whole = install('c/farm');
    await clock.advance(100);
    const may = (one: typeof first) => Promise.all(['shared', 'a', 'b', 'c'].map((name) => one.claims.mayWorkIn(name)));
    assert.deepEqual([await first.claims.mayWorkIn('shared'), await first.claims.mayWorkIn('a')], [true, true]);
    assert.deepEqual([await second.claims.mayWorkIn('shared'), await second.claims.mayWorkIn('b')], [false, true]);
    assert.match(
      second.claims.problem!,
      /^installation a\/farm looks after .* in namespace shared, and b\/farm leaves/,
    );
    assert.deepEqual(await may(whole), [false, false, false, true]);
    // A tenant that claims its own namespace does not make the installation of the cluster unready.
    assert.deepEqual([whole.claims.problem, whole.claims.refused], [null, 3]);
    first.claims.stop();
    await clock.advance(TAKEN_OVER_MS);
    assert.ok(second.story.includes('holds shared'));
    assert.equal(await whole.claims.mayWorkIn('a'), true);
  });
});

describe('a claim', () => {
  test('on a namespace that nothing is asked about any more runs out, and is taken again when needed', async () => {
    const { clock, install, leases } = setUp();
    const { claims } = install('a/farm');
    await clock.advance(100);
    assert.equal(await claims.mayWorkIn('radiology'), true);
    const renewals = async (ms: number) => {
      const before = leases.get('radiology/claim.cohortfarm.dev')!.metadata.resourceVersion;
      await clock.advance(ms);
      return leases.get('radiology/claim.cohortfarm.dev')!.metadata.resourceVersion !== before;
    };
    assert.equal(await renewals(800_000), true);
    assert.equal(await claims.mayWorkIn('radiology'), true);
    assert.equal(await renewals(800_000), true);
    await clock.advance(200_000);
    assert.equal(await renewals(200_000), false);
    assert.equal(await claims.mayWorkIn('radiology'), true);
  });

  test('that is lost to another installation is tried for again; that on the cluster ends the process', async () => {
    const { clock, install, leases } = setUp();
    const { claims, story } = install('a/farm');
    await clock.advance(100);
    await claims.mayWorkIn('radiology');
    for (const [id, lease] of leases) {
      const metadata = { ...lease.metadata, resourceVersion: `${id}-stolen` };
      leases.set(id, { ...lease, metadata, spec: { holderIdentity: 'thief' } });
    }
    await clock.advance(20_000);
    assert.match(story.join('\n'), /^the claim on the cluster is lost: thief has taken the lease$/m);
    assert.equal(await claims.mayWorkIn('radiology'), false);
    await clock.advance(TAKEN_OVER_MS);
    assert.equal(await claims.mayWorkIn('radiology'), true);
  });

  test('A3: is not needed in a namespace that is being deleted, where none can be made', async () => {
    const { clock, install, going, forbidden } = setUp();
    const { claims } = install('a/farm');
    await clock.advance(100);
    going.add('old');
    assert.equal(await claims.mayWorkIn('old'), true);
    forbidden.add('closed');
    await assert.rejects(claims.mayWorkIn('closed'), /cannot create Lease in closed/);
    forbidden.delete('closed');
    await clock.advance(20_000);
    assert.equal(await claims.mayWorkIn('closed'), true);
  });

  test('A3: is tried for no more in a namespace that was deleted, unless that is to be looked after or made again', async () => {
    const { clock, leases, going, gone, calls, install } = setUp();
    const { claims } = install('a/farm');
    const configured = install('b/farm', { operatorClass: 'b', namespaces: ['kept'] });
    await clock.advance(100);
    assert.equal(await claims.mayWorkIn('old'), true);
    leases.delete('old/claim.cohortfarm.dev');
    going.add('old');
    await clock.advance(20_000);
    assert.equal(await claims.mayWorkIn('old'), true);
    going.delete('old');
    for (const namespace of ['old', 'kept']) gone.add(namespace);
    leases.delete('kept/b.claim.cohortfarm.dev');
    await assert.rejects(claims.mayWorkIn('old'), /no old/);
    await clock.advance(60_000);
    calls.length = 0;
    await clock.advance(900_000);
    assert.equal(calls.includes('old'), false);
    assert.equal(configured.claims.problem, 'no kept');
    gone.clear();
    await clock.advance(20_000);
    assert.deepEqual([await claims.mayWorkIn('old'), configured.claims.problem], [true, null]);
  });

  test('is no problem after one renewal has failed, and is tried again soon where the first try has', async () => {
    const { clock, down, install } = setUp();
    const { claims, story } = install('a/farm');
    await clock.advance(100);
    const seen: (string | null)[] = [];
    const watch = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 500) {
        await clock.advance(500);
        seen.push(claims.problem);
      }
    };
    await watch(14_000);
    down.is = true;
    await assert.rejects(claims.mayWorkIn('radiology'), /no answer/);
    await watch(1500);
    down.is = false;
    await watch(3000);
    assert.deepEqual([new Set(seen), story.at(-1)], [new Set([null]), 'holds radiology']);
    down.is = true;
    await watch(24_000);
    assert.equal(claims.problem, 'no answer');
  });

  test('has a name for each class, and one for the cluster that no class can have', () => {
    const names = [claimOf('', 'a'), claimOf('', null), claimOf('claim', 'a'), claimOf('cluster-claim', null)];
    assert.deepEqual(
      names.map(({ namespace, name }) => `${namespace}/${name}`),
      [
        'a/claim.cohortfarm.dev',
        'default/cluster-claim.cohortfarm.dev',
        'a/claim.claim.cohortfarm.dev',
        'default/cluster-claim.cluster-claim.cohortfarm.dev',
      ],
    );
  });

  test('that is refused names both installations, the class, the place and what to do', () => {
    const given = { operatorClass: 'research', installation: 'b/farm', durationMs: 60_000, holder: 'a/farm' };
    assert.equal(
      refusalMessage({ ...given, namespace: null }),
      'installation a/farm looks after the datasets of class research in the cluster, and b/farm leaves them alone: ' +
        'give one of the two another class (operator.class of the chart, spec.operatorClass) or namespaces of its own ' +
        '(watchNamespaces), or uninstall one, whose claim runs out 60 seconds later',
    );
  });
});
