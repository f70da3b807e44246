"""The trainer's loader on full-size films, answered to one JSON line per request.

python training_loader.py FOLDER FILMS
Requests: {"way": "whole"|"codec"|"cache", "workers": n, "batch": b, "steps": n, "device": images/s or 0}. Answers: {"seconds": of an image,
"waiting": the share of the time of steps that waits for data}. `device` is how fast a GPU would take images: this process then
sleeps through each of its steps, as one does that waits for a GPU.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
from films import SIZE, WHOLE, write_films

from cohortfarm_trainer.data import images
from cohortfarm_trainer.data.augment import Augment
from cohortfarm_trainer.data.loader import Group, TrainingBatches, training_loader
from cohortfarm_trainer.data.order import BLOCK
from cohortfarm_trainer.data.source import read_source

torch.set_num_threads(1)
folder, films = Path(sys.argv[1]), int(sys.argv[2])
(folder / "films").mkdir()
write_films(folder / "films", films)
records = read_source(str(folder / "films"), ["edema"], {})


def run(way: str, workers: int, batch: int, steps: int, device: float) -> dict[str, float]:
    images.DRAFT = WHOLE if way == "whole" else 2
    os.environ["COHORTFARM_IMAGE_CACHE"] = str(folder / "cache") if way == "cache" else ""
    # Nothing is kept in memory: a data set of films does not fit there.
    batches = TrainingBatches([Group(records, float(batch))], SIZE, range(steps), Augment(0, True, 15), 0, 0, 1, cache=0)
    source = training_loader(batches, workers, False)
    begun, waited, measured, count = time.perf_counter(), 0.0, 0.0, 0
    for step in range(steps):
        before = time.perf_counter()
        count += len(next(source).images)
        arrived = time.perf_counter()
        if device:
            time.sleep(batch / device)
        # The first blocks are those by which the loaders start.
        if step >= BLOCK * workers:
            waited, measured = waited + arrived - before, measured + time.perf_counter() - before
    return {"seconds": (time.perf_counter() - begun) / count, "waiting": waited / measured if measured else 0.0}


run("cache", 1, 8, films // 8 * 2, 0)  # fills the cache
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    print(json.dumps(run(**json.loads(line))), flush=True)
