import { z } from 'zod';
import { type Kind, RESOURCES } from './resources.ts';

/** Schemas as an API server publishes them (OpenAPI v3), which every client may read. */

const schemas = z.looseObject({
  components: z.looseObject({
    schemas: z.record(
      z.string(),
      z.looseObject({
        'x-kubernetes-group-version-kind': z.array(z.looseObject({ group: z.string(), kind: z.string() })).optional(),
        properties: z.record(z.string(), z.looseObject({ properties: z.looseObject({}).optional() })).optional(),
      }),
    ),
  }),
});

/** Path of the schemas of a kind's group and version. */
export function schemaPath(kind: Kind): string {
  const { apiVersion } = RESOURCES[kind];
  return `/openapi/v3/${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}`;
}

/** Names of the fields of the `spec` of a kind; null where the document knows none. */
export function specFieldsOf(document: unknown, kind: Kind): readonly string[] | null {
  const [group] = RESOURCES[kind].apiVersion.split('/');
  const all = Object.values(schemas.parse(document).components.schemas);
  const own = all.find((schema) =>
    schema['x-kubernetes-group-version-kind']?.some((one) => one.kind === kind && one.group === group),
  );
  const spec = own?.properties?.spec?.properties;
  return spec ? Object.keys(spec) : null;
}
