import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { facts } from '../parts/elements.ts';
import type { RejectedView, SampleDetail } from '../wire.ts';
import { pathOf, useAsked } from './ask.ts';
import { Failure, Thumbnail } from './gallery.tsx';
import { Link, useNavigation } from './link.tsx';
import { Nearest } from './nearest.tsx';
import { Scores } from './scores.tsx';
import type { State } from './state.ts';
import { many, ordinal } from './words.ts';

/** One image in full, in a dialog over the page. */

interface ViewerProps {
  /** The state of each image of the gallery, in order. */
  readonly neighbours: readonly State[];
  readonly rejected: readonly RejectedView[];
  readonly hasFeatures: boolean;
}

export function Viewer({ neighbours, rejected, hasFeatures }: ViewerProps) {
  const { state, go } = useNavigation();
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = state.image !== null || state.rejected !== null;
  useEffect(() => {
    if (isOpen && !dialog.current?.open) dialog.current?.showModal();
    if (!isOpen) dialog.current?.close();
  }, [isOpen]);
  const close = (): void => {
    if (isOpen) go({ ...state, image: null, rejected: null });
  };
  const at = neighbours.findIndex((other) => other.image === state.image && other.rejected === state.rejected);
  const [before, after] = at < 0 ? [undefined, undefined] : [neighbours[at - 1], neighbours[at + 1]];
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = event.key === 'ArrowLeft' ? before : event.key === 'ArrowRight' ? after : undefined;
    if (next) go(next, 'replace');
  };
  return (
    <dialog
      ref={dialog}
      aria-label="Image"
      onClose={close}
      onKeyDown={onKeyDown}
      onClick={(event) => event.target === dialog.current && close()}
    >
      {isOpen && (
        <div class="viewer">
          <div class="tools">
            <Step to={before} name="Previous" />
            <Step to={after} name="Next" />
            <button type="button" class="close" onClick={close}>
              Close
            </button>
          </div>
          {state.image !== null ? (
            <Sample name={state.image} hasFeatures={hasFeatures} />
          ) : (
            <Refused id={state.rejected!} known={rejected.find(({ id }) => id === state.rejected)} />
          )}
        </div>
      )}
    </dialog>
  );
}

function Step({ to, name }: { to: State | undefined; name: string }) {
  const { go } = useNavigation();
  return (
    // Not disabled: a disabled button that has the focus would swallow the arrow keys.
    <button type="button" aria-disabled={!to} onClick={() => to && go(to, 'replace')}>
      {name}
    </button>
  );
}

function Sample({ name, hasFeatures }: { name: string; hasFeatures: boolean }) {
  const { state } = useNavigation();
  const asked = useAsked<SampleDetail>(pathOf('api/sample', { key: name }));
  if (asked.state === 'failed') return <Failure problem={asked.problem} />;
  const detail = asked.state === 'answered' ? asked.value : null;
  return (
    <Layout
      title={`Sample ${name}`}
      picture={
        detail?.state === 'accepted' ? (
          <FullImage source={pathOf('image', { key: name })} text={detail.prompt ?? ''} />
        ) : (
          detail && <p class={`picture ${detail.state}`}>{detail.problem ?? reasonOf(detail)}</p>
        )
      }
    >
      {detail && (
        <>
          {detail.prompt !== undefined && <blockquote>{detail.prompt}</blockquote>}
          {facts([
            ...Object.entries(detail.axes).map(
              ([axis, value]) => [axis, withExact(value, detail.exact[axis])] as const,
            ),
            ...(detail.seed === undefined ? [] : [['Seed', String(detail.seed)] as const]),
            ...(detail.attempt === undefined ? [] : [['Attempt', attemptWords(detail.attempt)] as const]),
            ...(detail.sourceId === undefined ? [] : [['Source', detail.sourceId] as const]),
          ])}
          {detail.scores && (
            <section>
              <h3>Gates</h3>
              <Scores scores={detail.scores} />
            </section>
          )}
          {hasFeatures && detail.state === 'accepted' && <Nearest name={name} />}
          {detail.replay !== undefined && <Replay command={detail.replay} />}
          {detail.attempts.length > 0 && (
            <section>
              <h3>{many(detail.attempts.length, 'rejected attempt')}</h3>
              {detail.attempts.map(({ attempt, seed, gate, scores, rejected }) => (
                <details key={attempt} open={rejected !== null}>
                  <summary>
                    {ordinal(attempt + 1)} attempt, rejected by {gate}
                  </summary>
                  {rejected !== null && (
                    <Link class="kept" to={{ ...state, image: null, rejected }}>
                      <Thumbnail
                        source={pathOf('rejected/thumbnail', { id: rejected })}
                        text={`See the image of attempt ${attempt + 1}`}
                      />
                    </Link>
                  )}
                  <p class="note">Seed {seed}</p>
                  <Scores scores={scores} refusedBy={gate} />
                </details>
              ))}
            </section>
          )}
          {detail.facts.length > 0 && (
            <section>
              <h3>Where it lies</h3>
              {facts(detail.facts)}
            </section>
          )}
        </>
      )}
    </Layout>
  );
}

const withExact = (value: string, exact: number | undefined): string =>
  exact === undefined ? value : `${value} (${exact})`;

const attemptWords = (attempt: number): string =>
  attempt === 0 ? 'the first' : `the ${ordinal(attempt + 1)}, after ${many(attempt, 'rejected one')}`;

const reasonOf = ({ state }: SampleDetail): string =>
  state === 'exhausted' ? 'No attempt passed every gate, so there is no image.' : 'This image is not made yet.';

function Refused({ id, known }: { id: string; known: RejectedView | undefined }) {
  const { state } = useNavigation();
  const asked = useAsked<RejectedView>(known ? null : pathOf('api/rejected/one', { id }));
  if (!known && asked.state === 'failed') return <Failure problem={asked.problem} />;
  const image = known ?? (asked.state === 'answered' ? asked.value : null);
  return (
    <Layout
      title={image ? `Rejected by ${image.gate}` : 'Rejected image'}
      picture={<FullImage source={pathOf('rejected/image', { id })} text={image?.prompt ?? ''} />}
    >
      {image && (
        <>
          <blockquote>{image.prompt}</blockquote>
          {facts([
            ...Object.entries(image.axes).map(([axis, value]) => [axis, withExact(value, image.exact[axis])] as const),
            ['Seed', String(image.seed)],
            ['Attempt', attemptWords(image.attempt)],
          ])}
          <section>
            <h3>Gates</h3>
            <Scores scores={image.scores} refusedBy={image.gate} />
          </section>
          <p>
            <Link to={{ ...state, image: image.key, rejected: null }}>What became of sample {image.key}</Link>
          </p>
        </>
      )}
    </Layout>
  );
}

function Layout({
  title,
  picture,
  children,
}: {
  title: string;
  picture: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <div class="pair">
      <div class="stage">{picture}</div>
      <div class="about">
        <h2>{title}</h2>
        {children}
      </div>
    </div>
  );
}

function FullImage({ source, text }: { source: string; text: string }) {
  const [broken, setBroken] = useState('');
  if (broken === source) return <p class="picture unreadable">The image cannot be shown.</p>;
  const alt = text === '' ? 'Synthetic image' : `Synthetic image for the prompt: ${text}`;
  return (
    <a href={source} target="_blank" rel="noreferrer" aria-label="Open the image file">
      <img key={source} src={source} alt={alt} onError={() => setBroken(source)} />
    </a>
  );
}

function Replay({ command }: { command: string }) {
  const [copied, setCopied] = useState(false);
  const text = useRef<HTMLElement>(null);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(command);
      setCopied(true);
    } catch {
      // Not allowed here: it is selected, for the person to copy.
      window.getSelection()?.selectAllChildren(text.current!);
    }
  };
  return (
    <section>
      <h3>Make it again</h3>
      <p class="command">
        <code ref={text}>{command}</code>
        <button type="button" onClick={copy}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      </p>
      <p class="quiet" role="status">
        {copied ? 'The command is copied.' : ''}
      </p>
    </section>
  );
}
