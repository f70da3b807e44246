import type { Observed } from '../observed.ts';
import type { Decision, Policy, Settings } from './decision.ts';
import { deleting } from './deleting.ts';
import { finished, settling, unaccepted } from './ends.ts';
import { generating } from './generating.ts';
import { publishing } from './publishing.ts';
import { suspended } from './suspended.ts';
import { training } from './training.ts';

/**
 * What is to be done for a dataset, from all that is known of it. Pure: the same observation makes the same decision, and a
 * decision that was carried out in part, or twice, leads to the same end. The first policy that applies decides.
 *
 *   deleting ─▶ unaccepted ─▶ settling ─▶ finished ─▶ suspended ─▶ training ─▶ generating ─▶ publishing
 *
 * Those that look at the end of a dataset's life come before those that look at its beginning: what is published need not be
 * generated, whatever has become of the queue since.
 */
const POLICIES: readonly Policy[] = [
  deleting,
  unaccepted,
  settling,
  finished,
  suspended,
  training,
  generating,
  publishing,
];

export function decide(observed: Observed, settings: Settings): Decision {
  for (const policy of POLICIES) {
    const decision = policy(observed, settings);
    if (decision) return decision;
  }
  throw new Error('no policy decided');
}
