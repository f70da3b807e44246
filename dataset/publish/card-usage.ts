import { describeGuidance } from '../../contract/guidance.ts';
import { imageExtension, objects } from '../../contract/names.ts';
import type { BitDepth } from '../../platform/image/image.ts';
import type { HubCard } from './card-front.ts';
import type { Draft } from './manifest.ts';
import { code, text } from './markdown.ts';

/** The parts of the dataset card on how to use the data. Each snippet runs unchanged in a copy of the dataset. */

/** @param hub of a card on the Hub; null for a copy of the dataset */
export function loadingSection({ name, shards, samples, dataset }: Draft, hub: HubCard | null): string {
  const extension = imageExtension(dataset.spec.output.image.format);
  const any = Math.max(0, Math.min(17, samples.accepted - 1));
  const last = String(shards.length - 1).padStart(6, '0');
  const urls = `shards/${name}-{000000..${last}}.tar`;
  const pixels = readingOf(dataset.spec.output.image.bitDepth);
  const place = /^s3:\/\/[\w./-]+$/.test(dataset.spec.output.uri) ? dataset.spec.output.uri : 's3://BUCKET/PREFIX';
  return `## Load it

With [datasets](https://github.com/huggingface/datasets)${hub ? '' : ', in a local copy'}:

\`\`\`python
${hub ? '' : 'import os\n'}from datasets import load_dataset

dataset = load_dataset(${hub ? `"${hub.repository}"` : 'os.getcwd()'}, split="${hub?.splits[0] ?? 'train'}")
image = dataset[${hub ? 0 : any}]["${hub ? 'image' : extension}"]
\`\`\`

All below works in a local copy of the dataset, or with its URL before the names. Streaming, with [WebDataset](https://github.com/webdataset/webdataset):

\`\`\`python
${pixels.toArrays.imports}import webdataset as wds
${pixels.toArrays.definition}
dataset = wds.WebDataset("${urls}", shardshuffle=False).decode(${pixels.toArrays.decoder})
for sample in dataset:
    image, prompt, record = sample["${extension}"], sample["txt"], sample["json"]
\`\`\`

In training, by several workers, each with shards of its own (and \`nodesplitter=wds.split_by_node\` on several nodes):

\`\`\`python
${pixels.toTensors.imports}import webdataset as wds
from torch.utils.data import DataLoader
${pixels.toTensors.definition}
dataset = wds.WebDataset("${urls}", shardshuffle=100).shuffle(1000).decode(${pixels.toTensors.decoder}).to_tuple("${extension}", "json")
loader = DataLoader(dataset.batched(16), batch_size=None, num_workers=${Math.min(4, shards.length)})
for images, records in loader:
    labels = [record["axes"] for record in records]
\`\`\`

From a private bucket, with the AWS command line, its credentials and, for stores other than AWS, \`AWS_ENDPOINT_URL\`:

\`\`\`python
${pixels.toArrays.imports}import webdataset as wds
${pixels.toArrays.definition}
url = "pipe:aws s3 cp --quiet ${place}/${urls} -"
for sample in wds.WebDataset(url, shardshuffle=False).decode(${pixels.toArrays.decoder}):
    image = sample["${extension}"]
\`\`\`

Random access, with \`wids\` (\`pip install wids\`):

\`\`\`python
import wids

dataset = wids.ShardListDataset("${objects.wids}")
image = dataset[${any}][".${extension}"]
\`\`\`

Labels and gate scores of all images at once, and one image by its place, with PyArrow:

\`\`\`python
import pyarrow.parquet as pq

row = pq.read_table("${objects.index}").slice(${any}, 1).to_pylist()[0]
with open(row["shard"], "rb") as shard:
    shard.seek(row["image_offset"])
    encoded = shard.read(row["image_size"])
\`\`\`

Questions to the labels, with DuckDB:

\`\`\`python
import duckdb

duckdb.sql("SELECT cell, count(*) AS images, avg(attempt) AS rejected FROM '${objects.index}' GROUP BY cell").show()
\`\`\`

By its metadata, with \`mlcroissant\`:

\`\`\`python
import mlcroissant

records = mlcroissant.Dataset("${objects.croissant}").records("samples")
\`\`\``;
}

/** A decoder of WebDataset, as a snippet names it. */
interface Decoder {
  readonly imports: string;
  readonly definition: string;
  readonly decoder: string;
}

/** WebDataset's own decoders make 8 bits of all images: of values above 255, nothing is left. */
function readingOf(bitDepth: BitDepth): { readonly toArrays: Decoder; readonly toTensors: Decoder } {
  const known = (name: string): Decoder => ({ imports: '', definition: '', decoder: `"${name}"` });
  if (bitDepth === 8) return { toArrays: known('pil'), toTensors: known('torchrgb') };
  const own = (libraries: string, result: string): Decoder => ({
    imports: `import io\n\nimport numpy as np\n${libraries}`,
    definition: `from PIL import Image

def sixteen_bits(extension, data):
    if extension == ".png":
        return ${result}
`,
    decoder: 'sixteen_bits',
  });
  const array = 'np.asarray(Image.open(io.BytesIO(data)))';
  return {
    toArrays: own('', `${array}  # 0 to 65,535`),
    toTensors: own('import torch\n', `torch.from_numpy(${array} / np.float32(65535))[None]`),
  };
}

export function regeneratingSection({ model, dataset, generator }: Draft): string {
  const { sampling } = dataset.spec.model;
  const { steps, guidanceScale, guidanceInterval, negativePrompt } = sampling;
  const partly = guidanceInterval ? `\n# Guidance is ${describeGuidance(sampling)}; this call guides all of them.` : '';
  return `## Regenerate one image

With ${generator.name} ${text(generator.version)} and the model of SHA-256 ${code(model.digest)}, this generates an image again and compares:

\`\`\`sh
cohortfarm replay URI KEY
\`\`\`

With diffusers, from the same model:

\`\`\`python
import json, torch
from diffusers import StableDiffusionPipeline

record = json.load(open("KEY.json"))
pipeline = StableDiffusionPipeline.from_pretrained("MODEL")  # sampler: ${model.scheduler}${partly}
image = pipeline(
    record["prompt"], negative_prompt=${pythonString(negativePrompt)}, height=${model.height}, width=${model.width},
    num_inference_steps=${steps}, guidance_scale=${guidanceScale},
    generator=torch.Generator("cpu").manual_seed(record["seed"]),
).images[0]
\`\`\``;
}

/** JSON strings are Python strings too; a backtick could end the code block. */
const pythonString = (value: string): string => JSON.stringify(value).replaceAll('`', '\\x60');
