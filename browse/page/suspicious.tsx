import { type ComponentChildren, Fragment } from 'preact';
import { caption, sheetItem } from '../parts/elements.ts';
import type { MapPoint, SuspiciousView } from '../wire.ts';
import { type Asked, pathOf } from './ask.ts';
import { Failure, Thumbnail } from './gallery.tsx';
import { Link, useNavigation } from './link.tsx';
import { BASES, comparedWords, distanceWords } from './nearest.tsx';
import type { Show } from './state.ts';
import { many } from './words.ts';

/** The images that look most like copies: of a training image, or of another image of the selection. */

const NAMES: readonly (readonly [Show, string])[] = [
  ['images', 'Images'],
  ['map', 'Map'],
  ['suspicious', 'Most suspicious'],
];

/** Ways to show the selection. */
export function Shows() {
  const { state } = useNavigation();
  return (
    <nav class="shows" aria-label="Ways to show the images">
      {NAMES.map(([show, name]) => (
        <Link key={show} to={{ ...state, show, image: null, rejected: null }} current={state.show === show}>
          {name}
        </Link>
      ))}
    </nav>
  );
}

export function suspiciousKeys(asked: Asked<SuspiciousView>): string[] {
  if (asked.state !== 'answered') return [];
  const { training, others } = asked.value;
  return [...new Set([...training.found, ...others].map(({ key }) => key))];
}

export function Suspicious({ asked }: { asked: Asked<SuspiciousView> }) {
  if (asked.state === 'failed') return <Failure problem={asked.problem} />;
  if (asked.state === 'waiting') return <p class="empty">Comparing images …</p>;
  const { training, others } = asked.value;
  return (
    <>
      <h3>Nearest to a training image</h3>
      <p class="note">{basisOf(training)}</p>
      {training.found.length > 0 && (
        <ol class="sheet pairs" aria-label="Images nearest to a training image">
          {training.found.map(({ key, axes, image, distance }) => (
            <Fragment key={key}>
              {sheetItem(
                <Picture sample={key} axes={axes}>
                  {caption(distanceWords(distance), <code title={image}>{image.slice(0, 12)}</code>)}
                </Picture>,
              )}
            </Fragment>
          ))}
        </ol>
      )}
      <h3>Nearest to another image of the selection</h3>
      <p class="note">{comparedWords(asked.value)} Each image is shown beside its nearest neighbour.</p>
      {others.length === 0 && <p class="empty">There are no two images with features here.</p>}
      <ol class="sheet pairs" aria-label="Images nearest to another one">
        {others.map(({ key, axes, other }) => (
          <Fragment key={key}>
            {sheetItem(
              <>
                <span class="two">
                  <Picture sample={key} axes={axes} />
                  <Picture sample={other.key} axes={{}} />
                </span>
                {caption(distanceWords(other.distance), `${key} and ${other.key}`)}
              </>,
            )}
          </Fragment>
        ))}
      </ol>
    </>
  );
}

function basisOf({ basis, images, found }: SuspiciousView['training']): string {
  if (basis === null) return 'Not known. Start the page with --reference to compare with the images of a reference.';
  if (basis === 'reference')
    return `${many(images, 'image')} compared with the training images of the reference. Below each: its distance, and the SHA-256 of the nearest training image.`;
  const here = found.length === 0 ? ' None of them is of the selection.' : '';
  return `The ${images} most suspicious images of the dataset, ${BASES[basis]}.${here} Start the page with --reference to compare all.`;
}

interface PictureProps {
  readonly sample: string;
  readonly axes: MapPoint['axes'];
  readonly children?: ComponentChildren;
}

function Picture({ sample, axes, children }: PictureProps) {
  const { state } = useNavigation();
  return (
    <Link to={{ ...state, image: sample, rejected: null }}>
      <Thumbnail
        source={pathOf('thumbnail', { key: sample })}
        text={[`Sample ${sample}`, ...Object.values(axes)].join(', ')}
      />
      {children}
    </Link>
  );
}
