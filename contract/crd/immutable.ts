import type { Rule, Rules } from '../validate/rule.ts';
import { type Structural, schemaAt } from './structural.ts';

/** Transition rules: what decides the bytes of a dataset, which plan/identity.ts digests, cannot change once it is created. */

/** The sections of the spec that decide bytes. A field of theirs is immutable unless `MUTABLE` names it. */
export const IMMUTABLE = ['seed', 'quota', 'prompt', 'model', 'quality', 'output'] as const;

/** Fields that decide no byte: places, the way there, pins, what runs the model, and how the result is treated. */
export const MUTABLE = [
  'quota.allocation.cohort.uri',
  'quota.allocation.table.uri',
  'quota.allocation.evaluation.uri',
  'prompt.impressionsFrom.uri',
  'model.uri',
  'model.sha256',
  'model.executionProvider',
  'model.trainedOn',
  'quality.onExhausted',
  'quality.keepRejected',
  'quality.gates.[].modelUri',
  'quality.gates.[].sha256',
  'quality.gates.[].trainedOn',
  'quality.encoder.modelUri',
  'quality.encoder.sha256',
  'quality.reference.uri',
  'quality.reference.sha256',
  'output.uri',
  'output.s3',
] as const;

const MESSAGE =
  'decides the images and cannot change; create another dataset (only places, credentials, pins, trainedOn, model.executionProvider, quality.onExhausted, quality.keepRejected, workers, publish, suspend, training, limits, operatorClass, ttlSecondsAfterFinished and deletionPolicy may change)';

/** The rules of the sections, derived from their schemas, so that a field that is added is immutable, too. */
export function immutableRules(spec: Structural): Rules {
  const ruleOf = (section: string): Rule => {
    const schema = schemaAt(spec, section);
    return { rule: sameObject(schema, section, 'self'), message: MESSAGE };
  };
  // Its place may change, as the digest of the manifest guards what is there.
  const parent: Rule = { rule: 'has(self.extends) == has(oldSelf.extends)', message: MESSAGE, fieldPath: '.extends' };
  return { '': [parent], ...Object.fromEntries(IMMUTABLE.map((section) => [section, [ruleOf(section)]])) };
}

const isMutable = (path: string): boolean => (MUTABLE as readonly string[]).includes(path);
const holdsMutable = (path: string): boolean => MUTABLE.some((field) => field.startsWith(`${path}.`));
/** The same expression of the object as it was. */
const before = (expression: string): string => expression.replace(/^self/, 'oldSelf');

/**
 * The same as comparing field by field, and much cheaper where nothing has changed: the API server evaluates all rules at each
 * write of a resource, that of a status included.
 */
const orSame = (self: string, fields: string): string => `(${self} == ${before(self)} || (${fields}))`;

/** An expression that is true when the immutable fields below a path are what they were. */
function sameObject(schema: Structural, path: string, self: string): string {
  if (!holdsMutable(path)) return `${self} == ${before(self)}`;
  if (schema.items) return sameItems(schema.items, `${path}.[]`, self);
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => !isMutable(`${path}.${name}`));
  const terms = fields.map(([name, field]) => {
    const same = sameObject(field, `${path}.${name}`, `${self}.${name}`);
    return isAlwaysThere(schema, name) ? same : optional(same, `${self}.${name}`);
  });
  const all = terms.join(' && ') || 'true';
  // As a whole it would be the same with a set in another order.
  const isOneTerm = terms.length === 1;
  return self === 'self' && !isOneTerm && !terms.some((term) => term.includes(IN_ORDER)) ? orSame(self, all) : all;
}

/** As a set a list is equal in any order; here the order of entries counts, too. */
const IN_ORDER = '.map(entry, entry)';

function optional(same: string, field: string): string {
  const present = `has(${field}) == has(${before(field)})`;
  return same === 'true' ? present : `${present} && (!has(${field}) || (${same}))`;
}

/** Field by field: a list of CEL holds values of one type. */
function sameItems(item: Structural, path: string, self: string): string {
  const fields = Object.entries(item.properties ?? {}).filter(([name]) => !isMutable(`${path}.${name}`));
  const terms = fields.map(([name, field]) => {
    const value = field['x-kubernetes-list-type'] === 'set' ? `one.${name}${IN_ORDER}` : `one.${name}`;
    const listed = isAlwaysThere(item, name) ? value : `has(one.${name}) ? [${value}] : []`;
    const values = `${self}.map(one, ${listed})`;
    return `${values} == ${before(values)}`;
  });
  const ordered = terms.filter((term) => term.includes(IN_ORDER));
  const others = terms.filter((term) => !ordered.includes(term));
  return [orSame(self, others.join(' && ')), ...ordered].join(' && ');
}

const isAlwaysThere = (schema: Structural, name: string): boolean =>
  ((schema.required as readonly string[] | undefined) ?? []).includes(name) ||
  schema.properties![name]!.default !== undefined;
