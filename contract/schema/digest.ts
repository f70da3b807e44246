import { z } from 'zod';

/** A SHA-256, as every object of ours writes it. */
export const digest = z.string().regex(/^[0-9a-f]{64}$/);
