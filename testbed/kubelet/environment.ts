import { fieldOf, type Sources } from './sources.ts';
import type { Container, EnvFrom, EnvVar, Pod } from './types.ts';

/**
 * Environment of a container, as its pod asks for it, on top of what its image brings along.
 * @throws ConfigError for what is not there
 */
export async function environmentOf(
  pod: Pod,
  container: Container,
  { sources, image }: { sources: Sources; image: Readonly<Record<string, string>> },
): Promise<Record<string, string>> {
  const env: Record<string, string> = { ...image };
  for (const from of container.envFrom ?? []) Object.assign(env, await allOf(from, sources));
  for (const variable of container.env ?? []) {
    const value = await resolved(variable, env, pod, sources);
    if (value !== null) env[variable.name] = value;
  }
  return env;
}

async function allOf({ prefix = '', configMapRef, secretRef }: EnvFrom, sources: Sources): Promise<object> {
  const values = configMapRef
    ? await sources.read('ConfigMap', configMapRef)
    : secretRef
      ? await sources.read('Secret', secretRef)
      : null;
  return Object.fromEntries([...(values ?? [])].map(([key, value]) => [prefix + key, value.toString()]));
}

/** Null for a key that is not there and need not be. */
async function resolved(
  { value = '', valueFrom }: EnvVar,
  before: Readonly<Record<string, string>>,
  pod: Pod,
  sources: Sources,
): Promise<string | null> {
  if (valueFrom === undefined) return expand(value, before);
  const { configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef } = valueFrom;
  if (configMapKeyRef) return text(await sources.key('ConfigMap', configMapKeyRef));
  if (secretKeyRef) return text(await sources.key('Secret', secretKeyRef));
  if (fieldRef) return fieldOf(pod, fieldRef);
  if (resourceFieldRef?.resource === 'requests.cpu') return requestedCpus(pod, resourceFieldRef.containerName);
  throw new Error(`the process kubelet can't take a value from ${Object.keys(valueFrom).join(', ')}`);
}

/** Whole CPUs, rounded up, as a kubelet counts with a divisor of 1. */
function requestedCpus({ spec }: Pod, name: string | undefined): string {
  const request = spec.containers.find((container) => container.name === name)?.resources?.requests?.cpu ?? '0';
  return String(Math.ceil(request.endsWith('m') ? Number(request.slice(0, -1)) / 1000 : Number(request)));
}

const text = (bytes: Buffer | null): string | null => bytes?.toString() ?? null;

/** Puts variables in place of `$(NAME)`, in values, commands and arguments. Unknown ones stay; `$$` is one `$`. */
export function expand(value: string, env: Readonly<Record<string, string>>): string {
  return value.replace(/\$(\$|\(([^()]+)\))/g, (whole, rest: string, name: string | undefined) =>
    rest === '$' ? '$' : (env[name!] ?? whole),
  );
}
