import { KubeError, networkError } from './errors.ts';
import { type Call, type Transport, textOf } from './transport.ts';

/**
 * Sends a call and gives the JSON of its whole answer.
 * @throws KubeError when it is refused, broken off, late or no JSON
 */
export async function callForJson(transport: Transport, call: Call): Promise<Record<string, unknown>> {
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
