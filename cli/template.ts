import { readFile } from 'node:fs/promises';
import { type Document, parseDocument } from 'yaml';
import { installedFile } from '../platform/files.ts';

/** First resources to edit, from the examples that come with the command. */

interface Template {
  readonly example: string;
  readonly about: string;
  readonly edit?: (document: Document) => void;
}

export const TEMPLATES = {
  phantom: {
    example: 'examples/demo.yaml',
    about: 'chest phantoms by the embedded model, on the CPU in a minute or two',
    // Its sites are rendered by `npm run demo`, which needs a clone.
    edit: (document) => document.deleteIn(['spec', 'training']),
  },
  'roentgen-v2': {
    example: 'examples/roentgen-v2.yaml',
    about: 'balanced chest X-rays by RoentGen-v2, on GPUs; convert its model and gates first (docs/models.md)',
  },
  nih: {
    example: 'examples/nih-complement.yaml',
    about: 'what NIH ChestX-ray14 lacks, by RoentGen-v2, on GPUs; convert its model and gates first (docs/models.md)',
  },
} as const satisfies Record<string, Template>;

export type TemplateName = keyof typeof TEMPLATES;

export interface Answers {
  readonly from: TemplateName;
  readonly name: string;
  /** Default: the template's. */
  readonly samples?: number;
  /** Default: the template's; for phantoms a folder beside the file. */
  readonly output?: string;
}

/** The YAML of a resource, with the comments of its template. */
export async function renderTemplate({ from, name, samples, output }: Answers): Promise<string> {
  const { example, about, edit }: Template = TEMPLATES[from];
  const text = await readFile(installedFile(example), 'utf8');
  // The example's own heading is about the example.
  const document = parseDocument(text.replace(/^(#.*\n)+/, ''));
  document.commentBefore = ` ${about[0]!.toUpperCase()}${about.slice(1)}.\n Every field: cohortfarm explain spec`;
  document.setIn(['metadata', 'name'], name);
  edit?.(document);
  const place = output ?? (from === 'phantom' ? `out/${name}` : undefined);
  if (place !== undefined) document.setIn(['spec', 'output', 'uri'], place);
  if (place !== undefined && !place.startsWith('s3:')) document.deleteIn(['spec', 'output', 's3']);
  if (samples !== undefined) document.setIn(['spec', 'quota', 'samples'], samples);
  return document.toString({ lineWidth: 0 });
}
