import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSession, type Session, type Tensor } from '../diffusion/onnx.ts';

/** The bare loop: nothing but the session calls that a batch needs, with inputs made beforehand. The floor of the cost. */

export interface LoopOptions {
  readonly model: string;
  readonly batch: number;
  /** UNet calls per batch; PNDM makes one more than it has steps. */
  readonly calls: number;
  /** Size of the latents. */
  readonly height: number;
  readonly width: number;
}

/** Returns an action that makes the calls for `images` images, guided (two rows per image). */
export async function bareLoop({
  model,
  batch,
  calls,
  height,
  width,
}: LoopOptions): Promise<(images: number) => Promise<void>> {
  const unet = await openSession(join(model, 'unet/model.onnx'), { provider: 'cpu' });
  const vae = await openSession(join(model, 'vae_decoder/model.onnx'), { provider: 'cpu' });
  const text = await openSession(join(model, 'text_encoder/model.onnx'), { provider: 'cpu' });
  const length = await sequenceLength(model);
  const ids: Tensor = { type: 'int64', data: new BigInt64Array(length), dims: [1, length] };
  const [hidden] = Object.values(await text.run({ input_ids: ids }));
  const rows = 2 * batch;
  const states = new Float32Array(rows * hidden!.data.length);
  for (let row = 0; row < rows; row++) states.set(hidden!.data as Float32Array, row * hidden!.data.length);
  const sample: Tensor = { type: 'float32', data: noise(rows * 4 * height * width), dims: [rows, 4, height, width] };
  const latents: Tensor = { type: 'float32', data: noise(batch * 4 * height * width), dims: [batch, 4, height, width] };
  const feeds = {
    sample,
    timestep: { type: 'float32', data: Float32Array.of(501), dims: [] } as Tensor,
    encoder_hidden_states: { type: 'float32', data: states, dims: [rows, length, hidden!.dims[2]!] } as Tensor,
  };
  return async (images) => {
    for (let done = 0; done < images; done += batch) await oneBatch({ unet, vae, feeds, latents, calls });
  };
}

interface BatchCalls {
  readonly unet: Session;
  readonly vae: Session;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly latents: Tensor;
  readonly calls: number;
}

async function oneBatch({ unet, vae, feeds, latents, calls }: BatchCalls): Promise<void> {
  for (let call = 0; call < calls; call++) await unet.run(feeds);
  await vae.run({ latent_sample: latents });
}

async function sequenceLength(model: string): Promise<number> {
  return JSON.parse(await readFile(join(model, 'tokenizer/tokenizer_config.json'), 'utf8')).model_max_length;
}

const noise = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898) * 1.5);
