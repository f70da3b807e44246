"""One epoch over the shards of a dataset in S3, answered as {"seconds": ..} to one JSON line per request.

python loader.py ours|webdataset URI ENDPOINT
Requests: {"workers": n, "size": pixels, "batch": b}. Both fetch, decode to grey, scale, crop and batch; both give a label.
"""

import io
import json
import os
import sys
import time

import torch

torch.set_num_threads(1)
LABELS = ["no-finding", "edema"]


def ours(uri, endpoint):
    """The trainer's loader: ranges of the shards, in the order of the first epoch."""
    from cohortfarm_trainer.data.augment import Augment
    from cohortfarm_trainer.data.loader import Group, TrainingBatches, training_loader
    from cohortfarm_trainer.data.source import read_source

    records = read_source(uri, LABELS, {"endpoint": endpoint, "forcePathStyle": True})

    def run(workers, size, batch):
        steps = range(len(records) // batch)
        batches = TrainingBatches([Group(records, float(batch))], size, steps, Augment(0), 0, 0, 1)
        return sum(len(batch.images) for batch in training_loader(batches, workers, False))

    return run


def webdataset(uri, endpoint):
    """Plain webdataset: whole shards as streams, shuffled in a buffer."""
    import boto3
    import webdataset as wds
    from botocore.config import Config
    from webdataset.gopen import gopen_schemes

    from cohortfarm_trainer.data.images import decode

    bucket, prefix = uri.removeprefix("s3://").split("/", 1)
    clients = {}

    def connect():
        """One client for each process, as the trainer's loader has."""
        if os.getpid() not in clients:
            style = Config(s3={"addressing_style": "path"})
            clients[os.getpid()] = boto3.client("s3", endpoint_url=endpoint, config=style)
        return clients[os.getpid()]

    listed = connect().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/shards/")["Contents"]
    urls = [f"s3://{bucket}/{entry['Key']}" for entry in listed]

    def open_stream(url, *_, **__):
        where, key = url.removeprefix("s3://").split("/", 1)
        # In a buffer: tarfile reads headers of 512 bytes.
        return io.BufferedReader(connect().get_object(Bucket=where, Key=key)["Body"]._raw_stream, 1 << 20)

    gopen_schemes["s3"] = open_stream

    def run(workers, size, batch):
        def sample(found):
            label = json.loads(found["json"])["axes"]["finding"]
            image = torch.tensor(decode(found["jpg"], size, found["__key__"])).unsqueeze(0)
            return image, torch.tensor([float(label == name) for name in LABELS])

        dataset = (
            wds.WebDataset(urls, shardshuffle=len(urls), empty_check=False)
            .shuffle(500)
            .map(sample)
            .batched(batch, partial=True)
        )
        loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=workers, prefetch_factor=4)
        return sum(len(images) for images, _ in loader)

    return run


run = {"ours": ours, "webdataset": webdataset}[sys.argv[1]](*sys.argv[2:4])
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    begin = time.perf_counter()
    images = run(**request)
    print(json.dumps({"seconds": (time.perf_counter() - begin) / images}), flush=True)
