/**
 * Strategic merge, as `kubectl patch --type strategic` does it: maps are merged, `null` removes a field, lists of things with
 * a name are merged by that name, all other lists are replaced. `$patch: replace` and `$patch: delete` are understood.
 * https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
 */

type Json = unknown;
type JsonObject = { readonly [field: string]: Json };

/** Merge keys of the lists in a pod template, by field name (the API's `patchMergeKey`). */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  ephemeralContainers: 'name',
  volumes: 'name',
  env: 'name',
  imagePullSecrets: 'name',
  resourceClaims: 'name',
  schedulingGates: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  ports: 'containerPort',
  hostAliases: 'ip',
  topologySpreadConstraints: 'topologyKey',
};

/** Directives and keys that would reach a prototype. */
const IGNORED = ['$patch', '__proto__'];

/** `base` with `patch` laid over it; neither is changed. */
export function strategicMerge<T extends JsonObject>(base: T, patch: JsonObject): T {
  return mergeObjects(base, patch) as T;
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mergeObjects(base: JsonObject, patch: JsonObject): JsonObject {
  const merged: Record<string, Json> = patch.$patch === 'replace' ? {} : { ...base };
  for (const [field, value] of Object.entries(patch)) {
    if (IGNORED.includes(field)) continue;
    if (value === null) delete merged[field];
    else merged[field] = mergeValues(field, merged[field], value);
  }
  return merged;
}

function mergeValues(field: string, base: Json, patch: Json): Json {
  const key = MERGE_KEYS[field];
  if (key !== undefined && Array.isArray(patch)) return mergeLists(Array.isArray(base) ? base : [], patch, key);
  if (isObject(patch)) return mergeObjects(isObject(base) ? base : {}, patch);
  return patch;
}

function mergeLists(base: readonly Json[], patch: readonly Json[], key: string): Json[] {
  if (patch.some((entry) => isObject(entry) && entry.$patch === 'replace')) {
    return patch.filter((entry) => !(isObject(entry) && entry.$patch === 'replace'));
  }
  const merged = [...base];
  for (const entry of patch) {
    const at = isObject(entry) ? merged.findIndex((other) => isObject(other) && other[key] === entry[key]) : -1;
    if (isObject(entry) && entry.$patch === 'delete') {
      if (at >= 0) merged.splice(at, 1);
    } else if (at >= 0) merged[at] = mergeObjects(merged[at] as JsonObject, entry as JsonObject);
    else merged.push(isObject(entry) ? mergeObjects({}, entry) : entry);
  }
  return merged;
}
