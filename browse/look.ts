/** The look that the page of `cohortfarm browse`, the report and the trainer's report share. */

/** Every pair of text and background has a contrast of 4.5 or more, in both schemes. */
const LIGHT = {
  paper: '#f8f7f2',
  card: '#fffefb',
  ink: '#1b211d',
  muted: '#59635c',
  line: '#dcdcd2',
  accent: '#1d6b49',
  'on-accent': '#fffefb',
  warn: '#9a3412',
  'warn-paper': '#fdf0e6',
} as const;

const DARK: Readonly<Record<keyof typeof LIGHT, string>> = {
  paper: '#111412',
  card: '#181c19',
  ink: '#e9ece6',
  muted: '#a0aaa3',
  line: '#2c332e',
  accent: '#6fc79a',
  'on-accent': '#10130f',
  warn: '#f3b18a',
  'warn-paper': '#2b1d14',
};

/** The scale of heat maps, from nothing to the most. */
const LIGHT_SHADES = ['#eef2ea', '#dbe9dc', '#c6dfcd', '#b0d5bd', '#99caad', '#82be9d', '#6bb28d', '#56a57e'];
const DARK_SHADES = ['#1c231f', '#1f2f27', '#213a2f', '#234637', '#25523f', '#275e48', '#286850', '#2a7257'];
export const SHADES = LIGHT_SHADES.length;

/** The class of a share from 0 to 1 on the scale. */
export const shadeOf = (share: number): number => Math.min(SHADES - 1, Math.floor(share * SHADES));

const FONTS = {
  serif: '"Iowan Old Style","Palatino Linotype",Palatino,Charter,Georgia,serif',
  sans: 'ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif',
  mono: 'ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace',
};

const variables = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `--${name}:${value};`)
    .join('');

const shades = (colours: readonly string[]): Record<string, string> =>
  Object.fromEntries(colours.map((colour, i) => [`shade-${i}`, colour]));

/** Colours and fonts as custom properties, for both colour schemes. */
export const PALETTE_CSS = `:root{color-scheme:light dark;${variables({ ...LIGHT, ...shades(LIGHT_SHADES), ...FONTS })}}
@media (prefers-color-scheme:dark){:root{${variables({ ...DARK, ...shades(DARK_SHADES) })}}}
`;
