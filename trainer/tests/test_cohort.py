"""M14: a cohort is read only as its manifest states it."""

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from cohortfarm_trainer.data.source import read_source
from cohortfarm_trainer.errors import TerminalError

LABELS = ["edema"]
SHARDS = {"shards/a-000000.tar": b"first" * 1000, "shards/a-000001.tar": b"second" * 1000}


def cohort(folder) -> str:
    """A published dataset of three images, as far as the trainer reads it."""
    (folder / "shards").mkdir(parents=True)
    for key, data in SHARDS.items():
        (folder / key).write_bytes(data)
    named = {"axes": {"finding": "finding"}, "exact": {}}
    table = pa.table(
        {
            "key": ["0", "1", "2"],
            "shard": sorted([*SHARDS, "shards/a-000000.tar"]),
            "image_offset": [0, 5, 0],
            "image_size": [5, 5, 6],
            "finding": ["edema", "none", "edema"],
        },
        metadata={"cohortfarm.columns": json.dumps(named)},
    )
    parquet.write_table(table, folder / "index.parquet")
    write_manifest(folder)
    return str(folder)


def stated(folder, key: str) -> dict:
    data = (folder / key).read_bytes()
    return {"key": key, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def write_manifest(folder, **change) -> None:
    manifest = {
        "planDigest": "f" * 64,
        "shards": [stated(folder, key) for key in SHARDS],
        "files": [stated(folder, "index.parquet")],
        "dataset": {"spec": {"quota": {"axes": {"finding": {"values": ["edema", "none"]}}}}},
    }
    (folder / "dataset.json").write_text(json.dumps({**manifest, **change}))


def test_a_sound_cohort_is_read(tmp_path):
    records = read_source(cohort(tmp_path), LABELS, {})
    assert records.labels.tolist() == [[1], [0], [1]]
    assert [blob.key for blob in records.blobs] == list(SHARDS)


@pytest.mark.parametrize("key", [*SHARDS, "index.parquet"])
@pytest.mark.parametrize("how", ["flip", "cut", "longer", "swap"])
def test_a_damaged_object_is_named_and_nothing_is_trained_on_it(tmp_path, key, how):
    uri = cohort(tmp_path)
    data = bytearray((tmp_path / key).read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 1
    elif how == "cut":
        data = data[:-1]
    elif how == "longer":
        data += b"x"
    else:
        data = bytearray(SHARDS["shards/a-000001.tar" if key.endswith("0.tar") else "shards/a-000000.tar"])
    (tmp_path / key).write_bytes(data)
    with pytest.raises(TerminalError, match=f"{key} has .* SHA-256 .*dataset.json states .*cohortfarm verify") as caught:
        read_source(uri, LABELS, {})
    assert caught.value.reason == "DatasetDamaged"


def test_a_missing_shard_is_named(tmp_path):
    uri = cohort(tmp_path)
    (tmp_path / "shards/a-000001.tar").unlink()
    with pytest.raises(TerminalError, match="a-000001.tar is missing"):
        read_source(uri, LABELS, {})


@pytest.mark.parametrize("change", [{"shards": []}, {"files": []}, {"files": [{"key": 1}]}, {"dataset": None}])
def test_a_manifest_that_states_too_little_is_refused(tmp_path, change):
    uri = cohort(tmp_path)
    write_manifest(tmp_path, **change)
    with pytest.raises(TerminalError, match="dataset.json"):
        read_source(uri, LABELS, {})


def test_each_process_of_a_team_reads_its_share(tmp_path, monkeypatch):
    uri = cohort(tmp_path)
    (tmp_path / "shards/a-000001.tar").write_bytes(b"")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    read_source(uri, LABELS, {})
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(TerminalError, match="a-000001.tar"):
        read_source(uri, LABELS, {})
