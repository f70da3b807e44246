import { describeGuidance } from '../../contract/guidance.ts';
import { imageExtension, objects } from '../../contract/names.ts';
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
import webdataset as wds

dataset = wds.WebDataset("${urls}", shardshuffle=False).decode("pil")
for sample in dataset:
    image, prompt, record = sample["${extension}"], sample["txt"], sample["json"]
\`\`\`

In training, by several workers, each with shards of its own (and \`nodesplitter=wds.split_by_node\` on several nodes):

\`\`\`python
import webdataset as wds
from torch.utils.data import DataLoader

dataset = wds.WebDataset("${urls}", shardshuffle=100).shuffle(1000).decode("torchrgb").to_tuple("${extension}", "json")
loader = DataLoader(dataset.batched(16), batch_size=None, num_workers=${Math.min(4, shards.length)})
for images, records in loader:
    labels = [record["axes"] for record in records]
\`\`\`

From a private bucket, with the AWS command line, its credentials and, for stores other than AWS, \`AWS_ENDPOINT_URL\`:

\`\`\`python
import webdataset as wds

url = "pipe:aws s3 cp --quiet ${place}/${urls} -"
for sample in wds.WebDataset(url, shardshuffle=False).decode("pil"):
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
