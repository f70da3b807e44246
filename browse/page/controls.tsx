import { useId } from 'preact/hooks';
import type { DatasetView } from '../wire.ts';
import { useNavigation } from './link.tsx';
import { GATE_TONE, selecting, withValue } from './state.ts';

/** Which axes the map has, what its colours mean, and which values of the other axes are kept. */

export function Controls({ view }: { view: DatasetView }) {
  const { state, go } = useNavigation();
  const names = view.axes.map(({ name }) => name);
  const setAxes = (rows: string, columns: string): void => {
    // An axis that changes its role keeps no half of an old choice.
    const changed = [rows, columns, state.rows, state.columns];
    const where = Object.fromEntries(Object.entries(state.where).filter(([axis]) => !changed.includes(axis)));
    go({ ...selecting(state, where), rows, columns }, 'replace');
  };
  const tones: [string, string][] = [
    ['images', 'images'],
    ['filled', 'share of quota'],
    ['acceptance', 'acceptance'],
    ...view.gates
      .filter(({ name }) => Object.hasOwn(view.cells.rejected, name))
      .map(({ name }): [string, string] => [GATE_TONE + name, `rejected by ${name}`]),
  ];
  return (
    <div class="controls">
      <Choice
        label="Rows"
        value={state.rows}
        options={names}
        onPick={(rows) => setAxes(rows, rows === state.columns ? state.rows : state.columns)}
      />
      {names.length > 1 && (
        <Choice
          label="Columns"
          value={state.columns}
          options={names}
          onPick={(columns) => setAxes(columns === state.rows ? state.columns : state.rows, columns)}
        />
      )}
      <Choice label="Colour" value={state.tone} options={tones} onPick={(tone) => go({ ...state, tone }, 'replace')} />
      {view.axes
        .filter(({ name }) => name !== state.rows && name !== state.columns)
        .map(({ name, values }) => (
          <Choice
            key={name}
            label={name}
            value={state.where[name] ?? ''}
            options={[['', 'all'], ...values.map((value): [string, string] => [value, value])]}
            onPick={(value) =>
              go(selecting(state, withValue(state.where, name, value === '' ? null : value)), 'replace')
            }
          />
        ))}
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  /** Names, or values with their names. */
  readonly options: readonly (string | readonly [string, string])[];
  readonly onPick: (value: string) => void;
}

export function Choice({ label, value, options, onPick }: ChoiceProps) {
  const id = useId();
  return (
    <div class="choice">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onPick(event.currentTarget.value)}>
        {options.map((option) => {
          const [of, name] = typeof option === 'string' ? [option, option] : option;
          return (
            <option key={of} value={of}>
              {name}
            </option>
          );
        })}
      </select>
    </div>
  );
}
