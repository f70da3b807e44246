import type { GraphInput } from '../contract/schema/gate.ts';
import { ModelError } from '../diffusion/errors.ts';
import type { Session, Tensor } from '../diffusion/onnx.ts';
import { type EightBitImage, type RawImage, resizeImage, toEightBits } from '../platform/image/image.ts';

/** The input tensor of a graph that looks at images: a gate or an encoder. */

/** The one input and the output of a graph that looks at images. @throws ModelError that begins with `what` */
export function imagePorts(session: Session, what: string): { input: string; output: string } {
  const [input, ...others] = session.inputs;
  const [output] = session.outputs;
  if (!input || !output || others.length > 0 || input.type !== 'float32' || output.type !== 'float32') {
    const found = [...session.inputs, ...session.outputs].map(({ name, type }) => `${name} ${type}`).join(', ');
    throw new ModelError(
      `${what}: ${session.file} must have one float32 input (images) and a float32 output, it has ${found}; export it so`,
    );
  }
  return { input: input.name, output: output.name };
}

/**
 * Images as a float32 tensor of shape [images, channels, height, width], resized and normalised as the graph wants them. Graphs
 * that want the same of one list of images share a tensor, not to be changed.
 */
export function imageTensor(images: readonly RawImage[], input: GraphInput): Promise<Tensor> {
  return shared(tensors, images, JSON.stringify(input), () => makeTensor(images, input));
}

async function makeTensor(images: readonly RawImage[], input: GraphInput): Promise<Tensor> {
  const { channels, height, width } = input;
  const size = channels * height * width;
  const data = new Float32Array(images.length * size);
  const fitting = await Promise.all(images.map((image) => fit(image, { width, height })));
  for (const [i, image] of fitting.entries()) normalise(image, input, data.subarray(i * size, (i + 1) * size));
  return { type: 'float32', data, dims: [images.length, channels, height, width] };
}

/** Things that are made of one source, by how; as long as the source is there. */
type Made<Source extends object, Result> = WeakMap<Source, Map<string, Promise<Result>>>;

/** Several graphs look at a batch, often in the same way. */
const tensors: Made<readonly RawImage[], Tensor> = new WeakMap();
/** And where their ways differ, often in the same size. */
const fitted: Made<RawImage, EightBitImage> = new WeakMap();

/** Graphs see 8 bits, as in their training. */
const fit = (image: RawImage, size: { width: number; height: number }): Promise<EightBitImage> =>
  shared(fitted, image, `${size.width}x${size.height}`, () => resizeImage(toEightBits(image), size));

function shared<Source extends object, Result>(
  made: Made<Source, Result>,
  source: Source,
  how: string,
  make: () => Promise<Result>,
): Promise<Result> {
  const results = made.get(source) ?? new Map<string, Promise<Result>>();
  made.set(source, results);
  const result = results.get(how) ?? make();
  results.set(how, result);
  return result;
}

/** Interleaved bytes to planar floats, (v / 255 - mean) / std; grey from colour by ITU-R BT.601 luma, as PIL does. */
function normalise(image: EightBitImage, { channels, mean, std }: GraphInput, out: Float32Array): void {
  const { data } = image;
  const pixels = data.length / image.channels;
  for (let c = 0; c < channels; c++) {
    const scale = 1 / (255 * std[c]!);
    const shift = mean[c]! / std[c]!;
    for (let i = 0; i < pixels; i++)
      out[c * pixels + i] = sampleAt(data, i, image.channels, channels, c) * scale - shift;
  }
}

function sampleAt(data: Uint8Array, pixel: number, from: number, to: number, channel: number): number {
  if (from === 1) return data[pixel]!;
  const at = 3 * pixel;
  if (to === 3) return data[at + channel]!;
  return Math.round(0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!);
}
