import { useMemo, useRef, useState } from 'preact/hooks';
import { percent } from '../../contract/format.ts';
import type { DatasetView, MapPoint, MapView } from '../wire.ts';
import { type Asked, pathOf } from './ask.ts';
import { Choice } from './controls.tsx';
import { Failure, Thumbnail } from './gallery.tsx';
import { Link, useNavigation } from './link.tsx';
import { comparedWords } from './nearest.tsx';
import { colourable } from './state.ts';

/** Images of the selection as points: what lies near is alike. A point is pointed at, walked to with arrow keys, or picked. */

const WIDTH = 600;
const HEIGHT = 420;
const MARGIN = 14;
/** Distance at which a point is pointed at. */
const REACH = 40;

type Placed = MapPoint & { readonly left: number; readonly top: number };

export function FeatureMap({ view, asked }: { view: DatasetView; asked: Asked<MapView> }) {
  const { state, go } = useNavigation();
  const points = useMemo(() => (asked.state === 'answered' ? placed(asked.value.points) : []), [asked]);
  const [at, setAt] = useState(0);
  const drawing = useRef<SVGSVGElement>(null);
  if (asked.state === 'failed') return <Failure problem={asked.problem} />;
  if (asked.state === 'waiting') return <p class="empty">Comparing images …</p>;
  if (points.length === 0) return <p class="empty">No image of the selection has features yet.</p>;
  const values = view.axes.find(({ name }) => name === state.by)?.values ?? [];
  const focused = points[Math.min(at, points.length - 1)]!;
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = nextIn(points, points.indexOf(focused), event.key);
    if (next === null) return;
    event.preventDefault();
    drawing.current?.querySelectorAll<SVGAElement>('a')[next]?.focus();
  };
  // Fingers and mice need not hit a point.
  const onPointer = (event: PointerEvent): void => {
    const box = drawing.current!.getBoundingClientRect();
    const place = {
      left: ((event.clientX - box.left) / box.width) * WIDTH,
      top: ((event.clientY - box.top) / box.height) * HEIGHT,
    };
    const near = nearestTo(points, place);
    if (near !== null) setAt(near);
  };
  return (
    <>
      <Choice
        label="Colour of the points"
        value={state.by}
        options={[['', 'none'], ...colourable(view).map((name): [string, string] => [name, name])]}
        onPick={(by) => go({ ...state, by }, 'replace')}
      />
      <div class="plane">
        <svg
          ref={drawing}
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          aria-label="Map of the images by features"
          aria-describedby="plane-help"
          onKeyDown={onKeyDown}
          onPointerMove={onPointer}
          onPointerDown={onPointer}
        >
          {points.map((point, i) => (
            <Point
              key={point.key}
              point={point}
              tone={values.indexOf(point.axes[state.by] ?? '')}
              isAt={point === focused}
              onPoint={() => setAt(i)}
            />
          ))}
        </svg>
        <figure class="pointed" aria-live="polite">
          <Link to={{ ...state, image: focused.key, rejected: null }}>
            <Thumbnail
              key={focused.key}
              source={pathOf('thumbnail', { key: focused.key })}
              text={`See sample ${focused.key}`}
            />
          </Link>
          <figcaption>
            {focused.key}
            <small>{Object.values(focused.axes).join(' · ')}</small>
          </figcaption>
        </figure>
      </div>
      {values.length > 0 && (
        <ul class="legend" aria-label={`Colours of ${state.by}`}>
          {values.map((value, i) => (
            <li key={value}>
              <svg viewBox="0 0 12 12" aria-hidden="true">
                <circle class={`tone${i}`} cx="6" cy="6" r="5" />
              </svg>
              {value}
            </li>
          ))}
        </ul>
      )}
      <p class="note" id="plane-help">
        {comparedWords(asked.value)} Points that are near are alike to the encoder: the plane shows{' '}
        {percent(asked.value.shares[0] + asked.value.shares[1], 1)} of their variance. Arrow keys move, Enter opens.
      </p>
    </>
  );
}

interface PointProps {
  readonly point: Placed;
  readonly tone: number;
  readonly isAt: boolean;
  readonly onPoint: () => void;
}

function Point({ point, tone, isAt, onPoint }: PointProps) {
  const { state, hrefOf, go } = useNavigation();
  const to = { ...state, image: point.key, rejected: null };
  const onClick = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a
      href={hrefOf(to)}
      aria-label={`Sample ${point.key}, ${Object.values(point.axes).join(', ')}`}
      tabindex={isAt ? 0 : -1}
      onClick={onClick}
      onFocus={onPoint}
    >
      <circle
        class={`tone${Math.max(0, tone)} ${isAt ? 'at' : ''}`}
        cx={point.left}
        cy={point.top}
        r={isAt ? 7 : 4.5}
      />
    </a>
  );
}

/** Places on the drawing, one scale for both directions. */
function placed(points: readonly MapPoint[]): Placed[] {
  const ends = (values: readonly number[]) => {
    const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    return { low, span: values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY) - low };
  };
  const [x, y] = [ends(points.map((point) => point.x)), ends(points.map((point) => point.y))];
  const [width, height] = [WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN];
  const scale = Math.min(width / (x.span || 1), height / (y.span || 1));
  const rounded = (n: number): number => Number(n.toFixed(1));
  return points.map((point) => ({
    ...point,
    left: rounded(WIDTH / 2 + (point.x - x.low - x.span / 2) * scale),
    top: rounded(HEIGHT / 2 - (point.y - y.low - y.span / 2) * scale),
  }));
}

/** The point nearest to a place, if any is within reach. */
function nearestTo(points: readonly Placed[], { left, top }: { left: number; top: number }): number | null {
  const distances = points.map((point) => Math.hypot(point.left - left, point.top - top));
  const least = distances.reduce((a, b) => Math.min(a, b), REACH);
  const at = distances.indexOf(least);
  return at < 0 ? null : at;
}

/** The nearest point in the direction of an arrow key; null for other keys, and at the edge. */
export function nextIn(points: readonly Pick<Placed, 'left' | 'top'>[], at: number, key: string): number | null {
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const from = points[at];
  if (!direction || !from) return null;
  let [best, least] = [-1, Number.POSITIVE_INFINITY];
  for (const [i, { left, top }] of points.entries()) {
    const along = (left - from.left) * direction[0]! + (top - from.top) * direction[1]!;
    const across = Math.abs((left - from.left) * direction[1]!) + Math.abs((top - from.top) * direction[0]!);
    // Within 45 degrees of the arrow; at one and the same place, the next in order.
    const isSame = left === from.left && top === from.top;
    const ahead = isSame ? i > at && direction[0]! + direction[1]! > 0 : along > 0 && across <= along;
    const far = along + 2 * across;
    if (ahead && far < least) [best, least] = [i, far];
  }
  return best < 0 ? null : best;
}
