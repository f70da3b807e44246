import type { DiffusionModel } from '../../diffusion/model.ts';
import type { Port, Session, Tensor } from '../../diffusion/onnx.ts';
import { buildTokenizer } from '../../diffusion/tokenizer.ts';

/** For tests: a model whose graphs are plain functions, with 2 latent channels, prompts of 4 tokens and embeddings of 1. */

export interface Calls {
  readonly textEncoder: Record<string, Tensor>[];
  readonly unet: Record<string, Tensor>[];
  readonly vae: Record<string, Tensor>[];
}

export interface FunctionModel {
  readonly model: DiffusionModel;
  /** The feeds of each graph, in order; copies. */
  readonly calls: Calls;
}

/** @param fail makes the text encoder throw as often as it says */
export function functionModel({ fail = 0, batch = 'batch' as string | number } = {}): FunctionModel {
  const calls: Calls = { textEncoder: [], unet: [], vae: [] };
  let failures = fail;
  const encode = ({ input_ids: ids }: Record<string, Tensor>): Tensor => {
    if (failures-- > 0) throw new Error('out of memory');
    return floats([1, 4, 1], Float32Array.from(ids!.data as Int32Array));
  };
  // A row's output is its sample, plus the sum of its embedding: every row has its own.
  const predict = ({ sample, encoder_hidden_states: hidden }: Record<string, Tensor>): Tensor => {
    const [rows, length] = [sample!.dims[0]!, sample!.data.length / sample!.dims[0]!];
    const sums = Array.from({ length: rows }, (_, row) => hidden!.data.slice(4 * row, 4 * row + 4) as Float32Array);
    const output = Float32Array.from(sample!.data as Float32Array, (value, i) => {
      const sum = sums[Math.floor(i / length)]!.reduce((total, part) => total + part, 0);
      return 0.5 * value + sum / 100;
    });
    return floats(sample!.dims, output);
  };
  // Each latent becomes 2 x 2 pixels of the same value, of the first latent channel only.
  const decode = ({ latent_sample: latents }: Record<string, Tensor>): Tensor => {
    const [rows, channels, height, width] = latents!.dims as [number, number, number, number];
    const pixels = new Float32Array(rows * 4 * height * width);
    for (let i = 0; i < pixels.length; i++) {
      const [row, y, x] = [
        Math.floor(i / (4 * height * width)),
        Math.floor(i / (2 * width)) % (2 * height),
        i % (2 * width),
      ];
      pixels[i] = latents!.data[row * channels * height * width + (y >> 1) * width + (x >> 1)] as number;
    }
    return floats([rows, 1, 2 * height, 2 * width], pixels);
  };
  const ids: Port = { name: 'input_ids', type: 'int32', shape: ['batch', 'sequence'] };
  const sample: Port = { name: 'sample', type: 'float32', shape: [batch, 2, 'height', 'width'] };
  const timestep: Port = { name: 'timestep', type: 'int64', shape: [] };
  const hidden: Port = { name: 'encoder_hidden_states', type: 'float32', shape: [batch, 'sequence', 1] };
  const latent: Port = { name: 'latent_sample', type: 'float32', shape: ['batch', 2, 'height', 'width'] };
  const output = (name: string): Port => ({ name, type: 'float32', shape: [] });
  const model: DiffusionModel = {
    dir: 'fake',
    tokenizer: buildTokenizer({
      vocab: { a: 0, 'a</w>': 1, 'b</w>': 2, '<|s|>': 3, '<|e|>': 4 },
      merges: [],
      config: CONFIG,
      length: 4,
    }),
    scheduler: { name: 'DDIM', config: { clip_sample: false, steps_offset: 1 } },
    textEncoder: {
      session: fakeSession([ids], calls.textEncoder, 'hidden', encode),
      ids,
      hidden: output('hidden'),
      width: 1,
    },
    unet: {
      session: fakeSession([sample, timestep, hidden], calls.unet, 'noise', predict),
      ports: { sample, timestep, encoder_hidden_states: hidden },
      output: output('noise'),
    },
    vae: {
      session: fakeSession([latent], calls.vae, 'image', decode),
      input: latent,
      output: output('image'),
      scalingFactor: 2,
      scale: 2,
      latentChannels: 2,
      imageChannels: 1,
    },
    release: async () => {},
  };
  return { model, calls };
}

const CONFIG = { bos_token: '<|s|>', eos_token: '<|e|>', unk_token: '<|e|>', pad_token: '<|e|>' };

const floats = (dims: readonly number[], data: Float32Array): Tensor => ({ type: 'float32', data, dims });

function fakeSession(
  inputs: Port[],
  calls: Record<string, Tensor>[],
  name: string,
  compute: (feeds: Record<string, Tensor>) => Tensor,
): Session {
  return {
    file: `fake/${name}.onnx`,
    inputs,
    outputs: [],
    async run(feeds) {
      calls.push(
        Object.fromEntries(Object.entries(feeds).map(([key, value]) => [key, { ...value, data: value.data.slice() }])),
      );
      return { [name]: compute(feeds) };
    },
    release: async () => {},
  };
}
