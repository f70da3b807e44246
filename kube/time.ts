/** A point in time as the API server's MicroTime, which wants six digits where a Date has three. */
export const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');
