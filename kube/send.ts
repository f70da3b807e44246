import { KubeError, networkError } from './errors.ts';
import { type Kind, RESOURCES } from './resources.ts';
import { type Call, type Transport, textOf } from './transport.ts';

/** One call from its first byte to the last of its answer, within a time limit, and counted. */

/** One call, for metrics. */
export interface RequestMetrics {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'apply' | 'patch' | 'delete';
  /** Plural name, with `/status` for the status. */
  readonly resource: string;
  /** `200` for every call that succeeded, else the kind of its KubeError. */
  readonly code: string;
  readonly seconds: number;
}

export interface SendOptions {
  readonly transport: Transport;
  /** Time limit of a call with its whole answer; 15,000 by default. */
  readonly timeoutMs?: number;
  readonly onRequest?: (seen: RequestMetrics) => void;
}

/** A call before its time limit is set. */
export interface Request extends Omit<Call, 'signal' | 'action'> {
  readonly verb: RequestMetrics['verb'];
  readonly kind: Kind;
  /** `namespace/name` or the namespace, for messages. */
  readonly target: string;
  readonly subresource?: 'status';
}

/** Sends a call and gives the JSON of its answer; rejects only with a KubeError. */
export type Send = (request: Request) => Promise<Record<string, unknown>>;

export function createSend({ transport, timeoutMs = 15_000, onRequest }: SendOptions): Send {
  return async (request) => {
    const started = performance.now();
    const action = actionOf(request);
    const tell = (code: string) =>
      onRequest?.({
        verb: request.verb,
        resource: RESOURCES[request.kind].plural + (request.subresource ? `/${request.subresource}` : ''),
        code,
        seconds: (performance.now() - started) / 1000,
      });
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const body = await callForJson(transport, { ...request, action, signal });
      tell('200');
      return body;
    } catch (error) {
      const wrapped = networkError(action, error);
      tell(wrapped.kind);
      throw wrapped;
    }
  };
}

function actionOf({ verb, kind, target, subresource }: Request): string {
  return `${verb} ${subresource === undefined ? '' : `${subresource} of `}${kind} ${target}`;
}

/**
 * Sends a call and gives the JSON of its whole answer.
 * @throws KubeError when it is refused, cut off, late or not JSON
 */
async function callForJson(transport: Transport, call: Call): Promise<Record<string, unknown>> {
  return jsonOf(call.action, await receive(transport, call));
}

/** The whole body of an answer; that of a broken connection is an error of the call, too. */
async function receive(transport: Transport, call: Call): Promise<string> {
  const answer = await transport(call);
  try {
    return await textOf(answer);
  } catch (error) {
    throw networkError(call.action, call.signal.aborted ? call.signal.reason : error);
  }
}

function jsonOf(action: string, text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    // A proxy's page, or an answer that was cut off.
    throw new KubeError('unavailable', {
      reason: 'NotJson',
      message: `cannot ${action}: the answer is not JSON: is that address the API server's?`,
    });
  }
}
