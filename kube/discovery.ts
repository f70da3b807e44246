import { z } from 'zod';
import { KubeError } from './errors.ts';
import { type Transport, textOf } from './transport.ts';

/** Version and API groups of an API server. */

export interface Served {
  /** Such as `v1.36.3`. */
  readonly version: string;
  /** Versions of each API group, the preferred one first. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

const TIMEOUT_MS = 10_000;

const versionSchema = z.looseObject({ gitVersion: z.string() });
const named = z.looseObject({ version: z.string() });
const groupsSchema = z.looseObject({
  groups: z.array(z.looseObject({ name: z.string(), versions: z.array(named), preferredVersion: named.optional() })),
});

/** @throws KubeError */
export async function discover(transport: Transport): Promise<Served> {
  const ask = async <T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T>> => {
    const action = `read ${path}`;
    const answer = await transport({ method: 'GET', path, action, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const parsed = schema.safeParse(jsonOrNull(await textOf(answer)));
    if (parsed.success) return parsed.data;
    const message = `cannot ${action}: the answer is not an API server's: is that its address?`;
    throw new KubeError('unavailable', { reason: 'NotJson', message });
  };
  const [{ gitVersion }, { groups }] = await Promise.all([ask('/version', versionSchema), ask('/apis', groupsSchema)]);
  const versions = groups.map(({ name, versions, preferredVersion }) => {
    const all = [preferredVersion, ...versions].flatMap((one) => one?.version ?? []);
    return [name, [...new Set(all)]] as const;
  });
  return { version: gitVersion, groups: new Map(versions) };
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
