import { z } from 'zod';

/** From zod to the structural OpenAPI v3 schema that a CustomResourceDefinition wants. */

export interface Structural {
  description?: string;
  type?: string;
  properties?: Record<string, Structural>;
  /** The schema of the values of a map. */
  additionalProperties?: Structural;
  items?: Structural;
  [keyword: string]: unknown;
}

/** A schema as zod emits it, with the keywords that are read here. */
interface Emitted {
  readonly description?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Emitted>>;
  readonly additionalProperties?: Emitted | false;
  readonly items?: Emitted;
  readonly [keyword: string]: unknown;
}

/** Keywords that a structural schema may not have, or not in the way that zod uses them. */
const FORBIDDEN = ['$ref', 'oneOf', 'anyOf', 'allOf', 'not', 'nullable'];

/** @throws Error that names the field which a structural schema cannot describe, such as a union */
export function structuralOf(schema: z.ZodType): Structural {
  return convert(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as Emitted, '');
}

function convert(emitted: Emitted, path: string): Structural {
  const { description, type, properties, items, additionalProperties, ...keywords } = emitted;
  const forbidden = FORBIDDEN.find((keyword) => keyword in keywords);
  if (forbidden) throw new Error(`${path} has ${forbidden}: no structural schema can say that, write flat objects`);
  const schema: Structural = {};
  if (description !== undefined) schema.description = description;
  if (type !== undefined) schema.type = type;
  for (const name of Object.keys(keywords).sort()) {
    // The API server knows this format by itself.
    if (name === 'pattern' && keywords.format === 'date-time') continue;
    schema[name] = keywords[name];
  }
  if (properties) {
    const fields = Object.entries(properties).map(([name, field]) => [name, convert(field, `${path}.${name}`)]);
    const converted = Object.fromEntries(fields) as Record<string, Structural>;
    schema.properties = converted;
    if (schema.default) schema.default = filled(schema.default as object, converted);
  }
  if (items) schema.items = convert(items, `${path}[]`);
  if (additionalProperties) addValues(schema, additionalProperties, path);
  return schema;
}

/**
 * The values of a map. `false` never comes here: unknown fields are refused or dropped by the API server itself,
 * as its client wishes, and a structural schema must not repeat that.
 */
function addValues(schema: Structural, values: Emitted, path: string): void {
  if (Object.keys(values).length === 0) schema['x-kubernetes-preserve-unknown-fields'] = true;
  else schema.additionalProperties = convert(values, `${path}.*`);
}

/** A default with those of its fields: the API server asks its rules about it before it fills them in itself. */
function filled(value: object, fields: Readonly<Record<string, Structural>>): object {
  const defaults = Object.entries(fields).filter(([, field]) => field.default !== undefined);
  return { ...Object.fromEntries(defaults.map(([name, field]) => [name, field.default])), ...value };
}

/** The part of a schema at a path such as `quota.axes.*.values.[]`: fields, `*` the values of a map, `[]` the entries of a list. */
export function schemaAt(schema: Structural, path: string): Structural {
  let part: Structural | undefined = schema;
  for (const step of path.split('.').filter(Boolean)) {
    if (step === '*') part = part.additionalProperties;
    else part = step === '[]' ? part.items : part.properties?.[step];
    if (part === undefined) throw new Error(`the schema has no ${path}`);
  }
  return part;
}
