import { datasetDefinition } from './definition.ts';
import type { Structural } from './structural.ts';

/** Fields of the resource in words, for the reference and for `cohortfarm explain`. */

/** The marks around a value, such as backticks in Markdown. */
export type Mark = (value: string) => string;

/** Such as `integer`, `list of strings`, `map of lists of strings`. */
export function typeOf(schema: Structural): string {
  if (schema['x-kubernetes-preserve-unknown-fields']) return 'object, as in Kubernetes';
  if (schema.items) return `list of ${pluralOf(schema.items)}`;
  if (schema.additionalProperties) return `map of ${pluralOf(schema.additionalProperties)}`;
  return schema.type ?? 'any';
}

function pluralOf(schema: Structural): string {
  const type = typeOf(schema);
  return /^(list|map) /.test(type) ? type.replace(' ', 's ') : type.replace(/^\w+/, '$&s');
}

/** Bounds and choices, in words. */
export function limitsOf(schema: Structural, mark: Mark): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, enum: choices, multipleOf, maxItems } = schema;
  const said = [
    choices && (choices as unknown[]).map((choice) => mark(String(choice))).join(', '),
    minimum !== undefined && `${exclusiveMinimum ? 'more than' : 'at least'} ${minimum}`,
    maximum !== undefined &&
      Number(maximum) < Number.MAX_SAFE_INTEGER &&
      `${exclusiveMaximum ? 'less than' : 'at most'} ${maximum}`,
    multipleOf !== undefined && multipleOf !== 1 && `a multiple of ${multipleOf}`,
    maxItems !== undefined && `at most ${maxItems} entries`,
  ];
  return said.filter(Boolean).join(', ');
}

/** A default is worth a word unless it is an object that its own fields describe. */
export function defaultOf({ default: value }: Structural, mark: Mark): string {
  const isObject = typeof value === 'object' && !Array.isArray(value);
  return value === undefined || isObject ? '' : mark(JSON.stringify(value));
}

/** The schema of a whole resource. */
export const resourceSchema = (): Structural => datasetDefinition().spec.versions[0]!.schema.openAPIV3Schema;

export type FoundField =
  | { readonly schema: Structural; readonly path: string }
  /** The path as far as there is one, and the names that can follow. */
  | { readonly schema: null; readonly path: string; readonly missing: string; readonly known: readonly string[] };

/** The field that a path names, such as `spec.quota.axes.sex.values`: entries of lists need no index, keys of maps are any name. */
export function fieldAt(root: Structural, names: readonly string[]): FoundField {
  let schema = root;
  const path: string[] = [];
  for (const name of names) {
    while (schema.items) schema = schema.items;
    const next = schema.properties?.[name] ?? schema.additionalProperties;
    if (!next)
      return { schema: null, path: path.join('.'), missing: name, known: Object.keys(schema.properties ?? {}) };
    path.push(name);
    schema = next;
  }
  return { schema, path: path.join('.') };
}

export interface Field {
  readonly name: string;
  readonly required: boolean;
  readonly schema: Structural;
}

/** The fields of an object, of the entries of a list, or of the values of a map. */
export function fieldsOf(schema: Structural): Field[] {
  const below = schema.items ?? schema.additionalProperties;
  if (below) return fieldsOf(below);
  const required = new Set((schema.required as string[] | undefined) ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, field]) => ({
    name,
    required: required.has(name) && field.default === undefined,
    schema: field,
  }));
}
