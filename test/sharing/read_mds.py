"""Reads exported MDS shards as a training does: read_mds.py FOLDER...; prints what it read of each, and checks every digest."""

import hashlib
import json
import sys
import tempfile

from streaming import StreamingDataset


def read(folder: str) -> dict:
    # Fetches a shard, and reads it when its SHA-256 is that of the index; in the order of the dataset.
    local = tempfile.mkdtemp()
    dataset = StreamingDataset(remote=folder, local=local, shuffle=False, batch_size=4, validate_hash="sha256", download_retry=1)
    rows = []
    for i in range(len(dataset)):
        row = dataset[i]
        image = row.pop("image")
        pixels = hashlib.sha256(image.tobytes()).hexdigest()
        rows.append({**row, "size": list(image.size), "mode": image.mode, "pixels": pixels})
    return {"rows": rows, "shards": len(dataset.shards), "iterated": [row["key"] for row in dataset]}


found = []
for folder in sys.argv[1:]:
    try:
        found.append(read(folder))
    except ValueError as error:
        found.append({"error": str(error)})
print(json.dumps(found))
