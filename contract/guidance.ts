/** Guidance as people read it. */

export interface Guidance {
  readonly guidanceScale: number;
  readonly guidanceInterval?: { readonly start: number; readonly stop: number } | undefined;
}

/** Such as "3", or "3 from 20 % to 80 % of the steps". */
export function describeGuidance({ guidanceScale, guidanceInterval }: Guidance): string {
  if (!guidanceInterval) return String(guidanceScale);
  const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;
  return `${guidanceScale} from ${percent(guidanceInterval.start)} to ${percent(guidanceInterval.stop)} of the steps`;
}
