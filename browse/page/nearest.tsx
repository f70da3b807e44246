import { grouped } from '../../contract/format.ts';
import { facts } from '../parts/elements.ts';
import type { Compared, NearView, TrainingBasis } from '../wire.ts';
import { pathOf, useAsked } from './ask.ts';
import { Failure, Thumbnail } from './gallery.tsx';
import { Link, useNavigation } from './link.tsx';
import { many } from './words.ts';

/** The nearest neighbours of an image by features: of the cohort, and of the generator's training images. */

export function Nearest({ name }: { name: string }) {
  const { state } = useNavigation();
  const asked = useAsked<NearView>(pathOf('api/near', { key: name }));
  return (
    <section>
      <h3>Nearest by features</h3>
      {asked.state === 'waiting' && <p class="note">Comparing …</p>}
      {asked.state === 'failed' && <Failure problem={asked.problem} />}
      {asked.state === 'answered' &&
        facts([
          [
            'In the cohort',
            asked.value.other ? (
              <Link class="kept" to={{ ...state, image: asked.value.other.key, rejected: null }}>
                <Thumbnail
                  source={pathOf('thumbnail', { key: asked.value.other.key })}
                  text={`See sample ${asked.value.other.key}`}
                />
                {asked.value.other.key}
              </Link>
            ) : (
              'none'
            ),
            ...(asked.value.other ? [`Distance ${distanceWords(asked.value.other.distance)}`] : []),
            <small class="note">{comparedWords(asked.value)}</small>,
          ],
          ['Training image', ...trainingOf(asked.value)],
        ])}
    </section>
  );
}

function trainingOf({ training }: NearView) {
  if (!training) return ['not known: start the page with --reference'];
  return [
    <code>{training.image}</code>,
    `Distance ${distanceWords(training.distance)}`,
    <small class="note">{`SHA-256 of the file; ${BASES[training.basis]}`}</small>,
  ];
}

/** The source of a distance to training images, in words. */
export const BASES: Readonly<Record<TrainingBasis, string>> = {
  reference: 'measured against the reference given',
  evidence: 'as the evidence of the dataset says',
  gate: 'as the gate against training images recorded it',
};

/** `Among all 90 images.`, or `Among 961 images, the first of 4,000 in the order of the plan.` */
export const comparedWords = ({ images, of }: Compared): string =>
  of === null
    ? `Among all ${many(images, 'image')}.`
    : `Among ${many(images, 'image')}, the first of ${grouped(of)} in the order of the plan.`;

/** A cosine distance, as people read it. */
export const distanceWords = (distance: number): string => (distance < 1e-4 ? 'below 0.0001' : distance.toPrecision(3));
