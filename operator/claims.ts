import type { Clock } from '../kube/clock.ts';
import { isKubeError, isNamespaceGoing } from '../kube/errors.ts';
import type { Events } from '../kube/event-recorder.ts';
import { Leader, type LeaderOptions } from '../kube/leader-election.ts';
import type { Ref } from '../kube/types.ts';
import type { Logger } from '../platform/log.ts';

/**
 * Claims keep two installations of one class from undoing each other's work. An installation works in a namespace only while
 * it holds the Lease of its class there, and one that looks after the whole cluster works only while it holds that of the
 * cluster, too. The first to come holds them until it is gone. Replicas share the claims of their installation: which of them
 * works is agreed by a Lease of their own.
 */

/** Holds the claim on the cluster: a namespace that every cluster has, and that cannot be deleted. */
const CLUSTER_NAMESPACE = 'default';

const prefixOf = (operatorClass: string): string => (operatorClass === '' ? '' : `${operatorClass}.`);

/** The claim of a class on the datasets of a namespace; null for the whole cluster. The chart grants rights to these names. */
export const claimOf = (operatorClass: string, namespace: string | null): Ref & { readonly kind: 'Lease' } => ({
  kind: 'Lease',
  namespace: namespace ?? CLUSTER_NAMESPACE,
  name: `${prefixOf(operatorClass)}${namespace === null ? 'cluster-claim' : 'claim'}.cohortfarm.dev`,
});

export interface ClaimsOptions {
  /** Its calls have to end well within half of `durationMs`. */
  readonly kube: LeaderOptions['kube'];
  /** Identity of the installation, the same for all its replicas and after an upgrade. */
  readonly installation: string;
  readonly operatorClass: string;
  /** Namespaces that it looks after; empty for all. */
  readonly namespaces: readonly string[];
  readonly events: Pick<Events, 'record'>;
  readonly clock: Clock;
  readonly wallClock: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** Called once: work may begin. */
  readonly onReady: () => void;
  /** The namespace is this installation's from now on. */
  readonly onHeld: (namespace: string) => void;
  /** Called once: the claim on the cluster is lost, and all work has to stop at once. */
  readonly onLost: (why: string) => void;
  /** For how long an installation that is silent keeps its claims. */
  readonly durationMs: number;
  /** A claim on a namespace about which nothing was asked for so long is given up. */
  readonly idleMs: number;
}

interface Claim {
  readonly namespace: string | null;
  leader: Leader;
  /** The installation that holds it, where it is another one. */
  holder: string | null;
  cancelIdle: () => void;
}

/** Failures that pass within this time are not reported. */
const AWAY_MS = 5_000;

export class Claims {
  readonly #options: ClaimsOptions;
  readonly #claims = new Map<string | null, Claim>();

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Claims what the installation was configured to look after, and keeps trying. */
  start(): void {
    const { namespaces, onReady } = this.#options;
    if (namespaces.length === 0) {
      this.#open(null);
    } else {
      for (const namespace of namespaces) this.#open(namespace);
      onReady();
    }
  }

  /** Tries no more. What is held runs out, unless another replica renews it. */
  stop(): void {
    for (const claim of this.#claims.values()) this.#close(claim);
  }

  /** Whether the namespace is this installation's, claiming it first. Rejects with a KubeError when that fails. */
  async mayWorkIn(namespace: string): Promise<boolean> {
    const claim = this.#claims.get(namespace) ?? this.#open(namespace);
    this.#keepAWhile(claim);
    await claim.leader.tried;
    if (claim.leader.leading) return true;
    const { failure } = claim.leader;
    if (failure === null) return false;
    // No installation can claim it any more, and what is in it has to be let go.
    if (isNamespaceGoing(failure)) return true;
    throw failure;
  }

  /** Why the installation cannot work in what it was configured to look after; null where it can. */
  get problem(): string | null {
    const { namespaces } = this.#options;
    const places: readonly (string | null)[] = namespaces.length === 0 ? [null] : namespaces;
    for (const place of places) {
      const claim = this.#claims.get(place);
      const problem = claim && (this.#refusalOf(claim) ?? claim.leader.problemAfter(AWAY_MS));
      if (problem) return problem;
    }
    return null;
  }

  /** Claims that another installation holds. */
  get refused(): number {
    return [...this.#claims.values()].filter(({ holder }) => holder !== null).length;
  }

  #refusalOf({ namespace, holder }: Claim): string | null {
    return holder === null ? null : refusalMessage({ ...this.#options, namespace, holder });
  }

  #open(namespace: string | null): Claim {
    const claim: Claim = {
      ...{ namespace, holder: null, cancelIdle: () => undefined },
      leader: this.#leaderOf(namespace, () => claim),
    };
    this.#claims.set(namespace, claim);
    claim.leader.start();
    return claim;
  }

  #close(claim: Claim): void {
    claim.cancelIdle();
    claim.leader.stop();
    // A try that was under way when it was closed may end after another one was opened.
    if (this.#claims.get(claim.namespace) === claim) this.#claims.delete(claim.namespace);
  }

  #isConfigured(namespace: string | null): boolean {
    return namespace === null || this.#options.namespaces.includes(namespace);
  }

  /** Until nothing in the namespace needs it any more. What the installation was configured for stays claimed. */
  #keepAWhile(claim: Claim): void {
    const { clock, idleMs } = this.#options;
    if (this.#isConfigured(claim.namespace)) return;
    claim.cancelIdle();
    claim.cancelIdle = clock.after(idleMs, () => this.#close(claim));
  }

  #leaderOf(namespace: string | null, claimOfIt: () => Claim): Leader {
    const { durationMs, installation, operatorClass, log, events, onReady, onHeld, onLost } = this.#options;
    const ref = claimOf(operatorClass, namespace);
    const facts = { lease: `${ref.namespace}/${ref.name}` };
    return new Leader({
      ...this.#options,
      ...ref,
      identity: installation,
      renewDeadlineMs: (durationMs * 2) / 3,
      retryMs: durationMs / 4,
      onStarted: () => {
        claimOfIt().holder = null;
        log.info(facts, namespace === null ? 'claimed the cluster' : `claimed namespace ${namespace}`);
        if (namespace === null) onReady();
        else onHeld(namespace);
      },
      onLost: (why) => {
        const message = `the claim on ${placeOf(namespace)} is lost: ${why}`;
        if (namespace === null) return onLost(message);
        log.warn(facts, message);
        const claim = claimOfIt();
        claim.leader = this.#leaderOf(namespace, claimOfIt);
        claim.leader.start();
      },
      onFailed: (error) => {
        // The namespace is being deleted or is gone. Who has something to do in one of that name claims it again.
        const isOver = isNamespaceGoing(error) || isKubeError(error, 'notFound');
        if (isOver && !this.#isConfigured(namespace)) this.#close(claimOfIt());
      },
      onOther: ({ metadata, spec }) => {
        const claim = claimOfIt();
        const holder = spec?.holderIdentity ?? '';
        if (claim.holder === holder) return;
        claim.holder = holder;
        const message = refusalMessage({ ...this.#options, namespace, holder });
        log.warn({ ...facts, holder }, message);
        events.record({ owner: metadata, ...LEASE, type: 'Warning', reason: 'ClassTaken', message });
      },
    });
  }
}

const LEASE = { kind: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' } } as const;

const placeOf = (namespace: string | null): string => (namespace === null ? 'the cluster' : `namespace ${namespace}`);

/** Words for an installation whose datasets another one looks after. */
export function refusalMessage({
  operatorClass,
  installation,
  durationMs,
  namespace,
  holder,
}: Pick<ClaimsOptions, 'operatorClass' | 'installation' | 'durationMs'> & {
  readonly namespace: string | null;
  readonly holder: string;
}): string {
  const which = operatorClass === '' ? 'datasets without a class' : `datasets of class ${operatorClass}`;
  return (
    `installation ${holder} looks after the ${which} in ${placeOf(namespace)}, and ${installation} leaves them alone: ` +
    `give one of the two another class (operator.class of the chart, spec.operatorClass) or namespaces of its own ` +
    `(watchNamespaces), or uninstall one, whose claim runs out ${Math.ceil(durationMs / 1000)} seconds later`
  );
}
