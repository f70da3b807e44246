import type { ReasonName } from '../../contract/reasons.ts';
import type { Observed } from '../observed.ts';
import type { Advance, Step } from './decision.ts';
import { generate } from './generating.ts';
import { isAccepted, isGenerated, isPublished } from './predicates.ts';
import { publish } from './publishing.ts';
import { isTrained, train } from './training.ts';

/** One step of a dataset's life. What makes a later step done makes the earlier ones done, too. */
export interface StepDefinition {
  readonly condition: Step;
  readonly isDone: (observed: Observed) => boolean;
  /** Advances it while it is not done. */
  readonly advance: Advance;
  /** Message of its condition once it is done. */
  readonly done: (observed: Observed) => readonly [ReasonName, string];
}

/** The life of a dataset, read from top to bottom. A plan is accepted once the first worker has announced it. */
export const STEPS: readonly StepDefinition[] = [
  {
    condition: 'Accepted',
    isDone: isAccepted,
    advance: generate,
    done: () => ['Planned', 'The plan is made and the output is claimed'],
  },
  {
    condition: 'Generated',
    isDone: isGenerated,
    advance: generate,
    done: () => ['Generated', 'Every shard is committed'],
  },
  {
    condition: 'Published',
    isDone: isPublished,
    advance: publish,
    done: () => ['Published', 'The manifest is written'],
  },
  {
    condition: 'Trained',
    isDone: isTrained,
    advance: train,
    done: (observed) =>
      hasStages(observed) ? ['Trained', 'Every stage has succeeded'] : ['NoStages', 'No training is asked for'],
  },
];

/** Which stages an invalid spec asks for is unknown: then those that have run count. */
const hasStages = ({ parsed, status }: Observed): boolean =>
  (('dataset' in parsed ? parsed.dataset.spec.training?.stages : status.stages)?.length ?? 0) > 0;

/** The first step that is not done; null when all are. */
export const currentStep = (observed: Observed): StepDefinition | null =>
  STEPS.find((step) => !step.isDone(observed)) ?? null;
