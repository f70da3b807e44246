/**
 * The kind of hardware that images come from, as records name it: `cpu`, or `cuda (batches of 4)`. On CUDA the size of a
 * batch chooses the kernels, and with them the last bits of the images; on the CPU it changes nothing.
 */

export function hardwareOf(provider: string, batchSize: number): string {
  return provider === 'cpu' ? provider : `${provider} (batches of ${batchSize})`;
}

/** The hardware that reproduces the very images of a shard. */
export interface Setting {
  readonly provider: 'auto' | 'cpu' | 'cuda';
  /** Undefined where it does not matter, or is not known. */
  readonly batchSize?: number;
}

/**
 * The setting for hardware that a record names. CUDA is taken where there is a device; other names (several kinds in one shard,
 * or a provider of another version) leave it to the machine.
 */
export function settingFor(hardware: string): Setting {
  if (hardware === 'cpu') return { provider: 'cpu' };
  const [, batchSize] = /^cuda(?: \(batches of (\d{1,5})\))?$/.exec(hardware) ?? [];
  return { provider: 'auto', ...(batchSize !== undefined && { batchSize: Number(batchSize) }) };
}
