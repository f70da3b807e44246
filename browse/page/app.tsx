import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Tally } from '../../contract/account/tally.ts';
import { grouped, percent } from '../../contract/format.ts';
import { NOTICE } from '../../contract/names.ts';
import { facts, tiles } from '../parts/elements.ts';
import { cellsWhere, sumOf } from '../parts/sums.ts';
import type { DatasetView, MapView, SamplesView, SuspiciousView } from '../wire.ts';
import { ask, DATASET, pathOf, samplesPath, useAsked, whereQuery } from './ask.ts';
import { Controls } from './controls.tsx';
import { FeatureMap } from './feature-map.tsx';
import { Accepted, Failure, Pager, Rejected, selectionName, useRejected } from './gallery.tsx';
import { NavigationContext } from './link.tsx';
import { HeatMap } from './map.tsx';
import { readState, type State, writeState } from './state.ts';
import { Shows, Suspicious, suspiciousKeys } from './suspicious.tsx';
import { Gates, HardestCells, Training } from './tables.tsx';
import { Viewer } from './viewer.tsx';
import { many } from './words.ts';

/** The page: the dataset, reloaded while it grows, and the part of it that the URL names. */

const PAUSE_MS = 5000;

export function App() {
  const { view, problem } = useDataset();
  if (!view)
    return <main>{problem === null ? <p class="empty">Reading the dataset …</p> : <Failure problem={problem} />}</main>;
  return <Page view={view} problem={problem} />;
}

/** The dataset, and what went wrong the last time it was asked for. */
function useDataset(): { view: DatasetView | null; problem: string | null } {
  const [known, setKnown] = useState<{ view: DatasetView | null; problem: string | null }>({
    view: null,
    problem: null,
  });
  const isFinal = known.view?.state === 'published' && known.problem === null;
  useEffect(() => {
    if (isFinal) return;
    const controller = new AbortController();
    const load = (): void => {
      if (document.hidden && known.view) return;
      ask<DatasetView>(DATASET, controller.signal).then(
        (view) => setKnown({ view, problem: null }),
        (error: Error) => {
          if (!controller.signal.aborted) setKnown((before) => ({ ...before, problem: error.message }));
        },
      );
    };
    const timer = setInterval(load, PAUSE_MS);
    if (!known.view) load();
    return () => {
      clearInterval(timer);
      controller.abort();
    };
  }, [isFinal, known.view === null]);
  return known;
}

/** The state in the URL, and going to another one. */
function useUrl(view: DatasetView) {
  const [search, setSearch] = useState(location.search);
  useEffect(() => {
    const onPop = (): void => setSearch(location.search);
    addEventListener('popstate', onPop);
    return () => removeEventListener('popstate', onPop);
  }, []);
  return useMemo(() => {
    const hrefOf = (state: State): string => writeState(state, view) || location.pathname;
    return {
      state: readState(search, view),
      hrefOf,
      go(state: State, how: 'push' | 'replace' = 'push') {
        if (how === 'push') history.pushState(null, '', hrefOf(state));
        else history.replaceState(null, '', hrefOf(state));
        setSearch(location.search);
      },
    };
  }, [search, view]);
}

function Page({ view, problem }: { view: DatasetView; problem: string | null }) {
  const navigation = useUrl(view);
  const { state } = navigation;
  const cells = useMemo(() => cellsWhere(view, state.where), [view, state.where]);
  const sum = useMemo(() => sumOf(view, cells), [view, cells]);
  const whole = useMemo(() => sumOf(view, view.cells.wanted.keys()), [view]);
  const rejectedCount = [...sum.rejected.values()].reduce((all, n) => all + n, 0);
  const isKept = view.keepRejected > 0;
  // A growing dataset has more to show after each change of its counts.
  const version = view.state === 'running' ? whole.accepted : 0;
  const isShown = (show: State['show'], path: string): string | null => (state.show === show ? path : null);
  const samples = useAsked<SamplesView>(isShown('images', samplesPath(state.where, state.page)), version);
  const map = useAsked<MapView>(isShown('map', pathOf('api/map', whereQuery(state.where))), version);
  const suspicious = useAsked<SuspiciousView>(
    isShown('suspicious', pathOf('api/suspicious', whereQuery(state.where))),
    version,
  );
  const rejected = useRejected(state.where, isKept);
  const name = selectionName(view, state.where);
  const keys =
    state.show === 'suspicious'
      ? suspiciousKeys(suspicious)
      : samples.state === 'answered'
        ? samples.value.samples.map(({ key }) => key)
        : [];
  const neighbours = neighboursOf(state, keys, rejected.images);
  useEffect(() => {
    document.title = `${name} · ${view.title}`;
  }, [name, view.title]);
  useBringToView(name);
  return (
    <NavigationContext.Provider value={navigation}>
      <main>
        {problem !== null && <Failure problem={problem} />}
        <Header view={view} whole={whole} />
        <div class="bench">
          <section aria-labelledby="grid">
            <h2 id="grid">Quota grid</h2>
            <Controls view={view} />
            <HeatMap view={view} />
          </section>
          <section class="images" aria-labelledby="images">
            <div class="title">
              <h2 id="images">{name}</h2>
              <p class="note" role="status">
                {grouped(sum.accepted)} of {many(sum.wanted, 'image')}, {percent(sum.accepted, sum.attempts)} of{' '}
                {many(sum.attempts, 'attempt')} accepted
              </p>
            </div>
            {view.hasFeatures && <Shows />}
            {state.show === 'images' && (
              <div class="beside">
                <div>
                  <h3>Accepted</h3>
                  <Accepted asked={samples} />
                  <Pager total={sum.wanted} page={state.page} />
                </div>
                <div>
                  <h3>Rejected</h3>
                  <Rejected images={rejected} isKept={isKept} rejectedCount={rejectedCount} />
                </div>
              </div>
            )}
            {state.show === 'map' && <FeatureMap view={view} asked={map} />}
            {state.show === 'suspicious' && <Suspicious asked={suspicious} />}
          </section>
        </div>
        <section aria-labelledby="gates">
          <h2 id="gates">Acceptance by gate</h2>
          <p class="lede">{name}</p>
          <Gates view={view} cells={cells} />
        </section>
        <section aria-labelledby="cells">
          <h2 id="cells">Hardest cells</h2>
          <p class="lede">{name}</p>
          <HardestCells view={view} cells={cells} />
        </section>
        {view.training.length > 0 && (
          <section aria-labelledby="training">
            <h2 id="training">Training</h2>
            <Training stages={view.training} />
          </section>
        )}
        <section aria-labelledby="provenance">
          <h2 id="provenance">Provenance</h2>
          {facts(view.provenance)}
        </section>
      </main>
      <Viewer neighbours={neighbours} rejected={rejected.images} hasFeatures={view.hasFeatures} />
    </NavigationContext.Provider>
  );
}

/** After a new selection, on a screen too small to show it beside the map. */
function useBringToView(name: string): void {
  const shown = useRef(name);
  useEffect(() => {
    if (shown.current === name) return;
    shown.current = name;
    const heading = document.getElementById('images');
    if (heading && heading.getBoundingClientRect().top > innerHeight * 0.8) heading.scrollIntoView();
  }, [name]);
}

function neighboursOf(
  state: State,
  keys: readonly string[],
  rejected: readonly { readonly id: string }[],
): readonly State[] {
  if (state.rejected !== null) return rejected.map(({ id }) => ({ ...state, rejected: id, image: null }));
  return keys.map((key) => ({ ...state, image: key, rejected: null }));
}

function Header({ view, whole }: { view: DatasetView; whole: Tally }) {
  const { wanted, accepted, exhausted } = view.cells;
  const filled = wanted.filter((n) => n > 0).length;
  const complete = wanted.filter((n, cell) => n > 0 && accepted[cell]! + exhausted[cell]! >= n).length;
  const missing = whole.exhausted > 0 ? `, ${grouped(whole.exhausted)} exhausted` : '';
  return (
    <header>
      <p class="eyebrow">
        {view.state === 'published' ? 'Published synthetic cohort' : 'Synthetic cohort, still growing'}
      </p>
      <h1>{view.title}</h1>
      <p class="lede place">{view.uri}</p>
      {tiles([
        ['Images', grouped(whole.accepted), `of ${grouped(whole.wanted)} wanted${missing}`],
        ['Acceptance', percent(whole.accepted, whole.attempts), `of ${many(whole.attempts, 'attempt')}`],
        ['Cells settled', grouped(complete), `of ${grouped(filled)}`],
        ['Shards', grouped(view.shards.committed), `of ${grouped(view.shards.total)} committed`],
      ])}
      <p class="notice">{NOTICE}</p>
    </header>
  );
}
