import { type ComponentChildren, createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { State } from './state.ts';

/** Going to another state of the page: a link, so that it can be copied, opened in a tab and gone back from. */

export interface Navigation {
  readonly state: State;
  hrefOf(state: State): string;
  /** `replace` leaves no entry in the browser's history. */
  go(state: State, how?: 'push' | 'replace'): void;
}

export const NavigationContext = createContext<Navigation | null>(null);

export function useNavigation(): Navigation {
  const navigation = useContext(NavigationContext);
  if (!navigation) throw new Error('there is no navigation around this component');
  return navigation;
}

interface LinkProps {
  readonly to: State;
  readonly class?: string;
  readonly label?: string;
  readonly tabIndex?: number;
  readonly current?: boolean;
  /** For the arrow keys of the heat map. */
  readonly place?: string;
  readonly onFocus?: () => void;
  readonly children: ComponentChildren;
}

export function Link({ to, label, current, place, children, ...rest }: LinkProps) {
  const { hrefOf, go } = useNavigation();
  const onClick = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a
      {...rest}
      href={hrefOf(to)}
      onClick={onClick}
      {...(label !== undefined && { 'aria-label': label })}
      {...(current && { 'aria-current': 'true' as const })}
      {...(place !== undefined && { 'data-place': place })}
    >
      {children}
    </a>
  );
}
