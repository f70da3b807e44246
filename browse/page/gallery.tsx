import { Fragment } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { grouped } from '../../contract/format.ts';
import { caption, quiet, sheetItem } from '../parts/elements.ts';
import {
  type DatasetView,
  PAGE_SIZE,
  type RejectedPage,
  type RejectedView,
  type SamplesView,
  type SampleView,
} from '../wire.ts';
import { type Asked, ask, pathOf, whereQuery } from './ask.ts';
import { Link, useNavigation } from './link.tsx';
import { reasonOf } from './scores.tsx';
import type { State } from './state.ts';
import { many } from './words.ts';

/** The images of the selection: accepted ones page by page, and rejected ones beside them. */

/** The selection in words: `female · 18-49`. */
export function selectionName(view: DatasetView, where: State['where']): string {
  const named = view.axes.flatMap(({ name }) => (Object.hasOwn(where, name) ? [where[name]!] : []));
  return named.length === 0 ? 'All cells' : named.join(' · ');
}

/** What distinguishes an image within the selection. */
const captionOf = (axes: Readonly<Record<string, string>>, where: State['where']): string =>
  Object.entries(axes)
    .filter(([axis]) => !Object.hasOwn(where, axis))
    .map(([, value]) => value)
    .join(' · ');

const afterAttempts = ({ attempt = 0 }: SampleView): string | undefined =>
  attempt > 0 ? `after ${many(attempt, 'rejected attempt')}` : undefined;

interface AcceptedProps {
  readonly asked: Asked<SamplesView>;
}

export function Accepted({ asked }: AcceptedProps) {
  const { state } = useNavigation();
  if (asked.state === 'failed') return <Failure problem={asked.problem} />;
  if (asked.state === 'waiting') {
    return (
      <ul class="sheet" aria-busy="true" aria-label="Accepted images">
        {Array.from({ length: PAGE_SIZE }, (_, i) => (
          <li key={`waiting ${i}`} class="tile waiting" />
        ))}
      </ul>
    );
  }
  const { total, samples } = asked.value;
  if (total === 0) return <p class="empty">No image is wanted of this combination: it is excluded from the grid.</p>;
  if (samples.length === 0) return <p class="empty">There is no such page; go back to the first.</p>;
  return (
    <ul class="sheet" aria-label="Accepted images">
      {samples.map((sample) => (
        <Fragment key={sample.key}>
          {sheetItem(
            <Link to={{ ...state, image: sample.key, rejected: null }}>
              <Picture sample={sample} />
              {caption(captionOf(sample.axes, state.where) || sample.key, afterAttempts(sample))}
            </Link>,
          )}
        </Fragment>
      ))}
    </ul>
  );
}

function Picture({ sample }: { sample: SampleView }) {
  const { key, state, prompt, problem } = sample;
  if (state === 'accepted')
    return <Thumbnail source={pathOf('thumbnail', { key })} text={`Sample ${key}: ${prompt}`} />;
  return (
    <span class={`picture ${state}`} {...(problem !== undefined && { title: problem })}>
      {PLACEHOLDERS[state]}
    </span>
  );
}

const PLACEHOLDERS = { exhausted: 'no attempt passed', pending: 'to come', unreadable: 'cannot be read' } as const;

export function Thumbnail({ source, text }: { source: string; text: string }) {
  const [isBroken, setBroken] = useState(false);
  if (isBroken) return <span class="picture unreadable">cannot be shown</span>;
  return <img class="picture" src={source} alt={text} width="128" height="128" onError={() => setBroken(true)} />;
}

export function Pager({ total, page }: { total: number; page: number }) {
  const { state } = useNavigation();
  const pages = Math.max(1, Math.ceil(total / PAGE_SIZE));
  if (pages === 1) return null;
  const to = (next: number, name: string) =>
    next < 0 || next >= pages || next === page ? (
      <span class="off">{name}</span>
    ) : (
      <Link to={{ ...state, page: next, image: null, rejected: null }}>{name}</Link>
    );
  return (
    <nav class="pager" aria-label="Pages of images">
      {to(0, 'First')}
      {to(page - 1, 'Previous')}
      <span>
        {grouped(page + 1)} of {grouped(pages)}
      </span>
      {to(page + 1, 'Next')}
      {to(pages - 1, 'Last')}
    </nav>
  );
}

/** The rejected images of the selection, loaded a few at a time. */
export function useRejected(where: State['where'], isKept: boolean) {
  const query = pathOf('api/rejected', whereQuery(where));
  const [loaded, setLoaded] = useState<{
    query: string;
    images: readonly RejectedView[];
    next: string | null;
    problem: string | null;
  }>({ query: '', images: [], next: null, problem: null });
  const more = (after: string, before: readonly RejectedView[]): (() => void) => {
    const controller = new AbortController();
    ask<RejectedPage>(pathOf('api/rejected', { ...whereQuery(where), after }), controller.signal).then(
      ({ rejected, next }) => setLoaded({ query, images: [...before, ...rejected], next, problem: null }),
      (error: Error) => {
        if (!controller.signal.aborted) setLoaded({ query, images: before, next: null, problem: error.message });
      },
    );
    return () => controller.abort();
  };
  useEffect(() => (isKept ? more('', []) : undefined), [query, isKept]);
  const isWaiting = isKept && loaded.query !== query;
  return {
    isWaiting,
    images: isWaiting ? [] : loaded.images,
    problem: isWaiting ? null : loaded.problem,
    next: isWaiting ? null : loaded.next,
    goOn: () => loaded.next !== null && more(loaded.next, loaded.images),
  };
}

export type RejectedImages = ReturnType<typeof useRejected>;

export function Rejected({
  images,
  isKept,
  rejectedCount,
}: {
  images: RejectedImages;
  isKept: boolean;
  rejectedCount: number;
}) {
  const { state } = useNavigation();
  if (!isKept) {
    return (
      <p class="empty">
        {rejectedCount === 0
          ? 'Nothing was rejected here.'
          : `${many(rejectedCount, 'image was', 'images were')} rejected here, and none was kept to look at: quality.keepRejected is 0.`}
      </p>
    );
  }
  if (images.problem !== null) return <Failure problem={images.problem} />;
  if (images.isWaiting) return <p class="empty">Looking …</p>;
  return (
    <>
      {images.images.length === 0 && (
        <p class="empty">
          {rejectedCount === 0 ? 'Nothing was rejected here.' : 'None of the rejected images was kept.'}
        </p>
      )}
      <ul class="sheet" aria-label="Rejected images">
        {images.images.map(({ id, prompt, gate, scores }) => (
          <Fragment key={id}>
            {sheetItem(
              <Link to={{ ...state, rejected: id, image: null }}>
                <Thumbnail source={pathOf('rejected/thumbnail', { id })} text={prompt} />
                {caption([quiet('Rejected by '), gate], reasonOf(scores, gate))}
              </Link>,
              'refused',
            )}
          </Fragment>
        ))}
      </ul>
      {images.next !== null && (
        <button type="button" onClick={images.goOn}>
          More rejected images
        </button>
      )}
    </>
  );
}

export const Failure = ({ problem }: { problem: string }) => (
  <p class="failure" role="alert">
    {problem}
  </p>
);
