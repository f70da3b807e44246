import { z } from 'zod';
import { REASONS, type ReasonName } from '../../contract/reasons.ts';
import { MAX_DIMENSIONS } from '../../contract/schema/encoder.ts';
import type { Gate, ModelGate } from '../../contract/schema/spec.ts';
import type { BitDepth, RawImage } from '../../platform/image/image.ts';
import type { Verdict } from '../gate/verdict.ts';

/** The messages of the engine protocol: headers of frames. docs/engine-protocol.md describes them for any language. */

/** Both sides must have the same; a change that an older side would misread raises it. */
export const PROTOCOL = 3;

/** File descriptors of an engine; its standard output joins its log. */
export const ENGINE_FD = { requests: 3, answers: 4 } as const;

/** The first message to an engine: what to load. */
export interface StartMessage {
  readonly type: 'start';
  readonly protocol: typeof PROTOCOL;
  /** Folder of the model. */
  readonly model: string;
  readonly sampling: {
    readonly scheduler?: string | undefined;
    readonly steps: number;
    readonly guidanceScale: number;
    readonly guidanceInterval?: { readonly start: number; readonly stop: number } | undefined;
    readonly negativePrompt: string;
    readonly height: number;
    readonly width: number;
  };
  /** Bits of each value of the images; 8 where it is absent. */
  readonly bitDepth?: BitDepth;
  /** The most images that a request asks for. An engine whose device likes steady shapes fills requests up to it. */
  readonly batchSize: number;
  readonly provider: 'auto' | 'cuda' | 'cpu';
  /** CPU threads; null for as many as there are cores. */
  readonly threads: number | null;
  /** In the order of the spec. */
  readonly gates: readonly (GateToLoad | NoveltyToLoad)[];
  /** Folder of the encoder; null where no features are wanted. */
  readonly encoder: string | null;
}

/** A gate with a graph. */
export interface GateToLoad {
  readonly gate: ModelGate;
  readonly dir: string;
  /** The values of the gate's axis. */
  readonly values: readonly string[];
  /** Those of its values that combine others; absent without any. */
  readonly combinations?: Readonly<Record<string, readonly string[]>>;
}

/** A Novelty gate against training images, with its threshold. */
export interface NoveltyToLoad {
  readonly gate: Gate;
  /** Folder of the reference. */
  readonly reference: string;
}

/** One image to make, and what it is to show. */
export interface ImageRequest {
  readonly prompt: string;
  readonly seed: number;
  readonly axes: Readonly<Record<string, string>>;
  readonly exact: Readonly<Record<string, number>>;
}

/** Verdicts on one image, by gate name in the order of the spec. */
export type Verdicts = Readonly<Record<string, Verdict>>;

/** An image with what the gates say of it. */
export interface SampledImage {
  readonly image: RawImage;
  readonly verdicts: Verdicts;
  /** Its feature vector in float16, as bit patterns; absent without an encoder. */
  readonly features?: Uint16Array;
}

export interface SampleMessage {
  readonly type: 'sample';
  readonly id: number;
  readonly images: readonly ImageRequest[];
}

export type ToEngine = StartMessage | SampleMessage;

const reason = z.enum(Object.keys(REASONS) as [ReasonName, ...ReasonName[]]);
const side = z.int().min(1).max(65_536);
/** JSON has no NaN: null is a score that is not a number. */
const score = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);

export const fromEngineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), protocol: z.int(), engine: z.string(), version: z.string() }),
  z.object({
    type: z.literal('ready'),
    provider: z.string().min(1).max(64),
    reason: z.string(),
    /** Images that every call computes a multiple of; 1 where it computes what is asked for. */
    rows: z.int().min(1).default(1),
  }),
  z.object({ type: z.literal('alive') }),
  z.object({
    type: z.literal('images'),
    id: z.int(),
    /** The body holds their pixels, one image after another; values of 16 bits in little-endian order. */
    images: z.array(z.object({ width: side, height: side, channels: z.union([z.literal(1), z.literal(3)]) })),
    bitDepth: z.literal([8, 16]).default(8),
    verdicts: z.array(z.record(z.string(), z.object({ score, passed: z.boolean(), nearest: z.string().optional() }))),
    /** Numbers in each feature vector; the body ends with those of all images, in float16. Absent without an encoder. */
    features: z.int().min(1).max(MAX_DIMENSIONS).optional(),
  }),
  z.object({
    type: z.literal('error'),
    /** The request that failed; absent when the engine cannot start. */
    id: z.int().optional(),
    reason,
    retryable: z.boolean(),
    message: z.string(),
  }),
]);
export type FromEngine = z.infer<typeof fromEngineSchema>;
export type ReadyMessage = Extract<FromEngine, { type: 'ready' }>;
/** A message as an engine writes it. */
export type EngineMessage = z.input<typeof fromEngineSchema>;
