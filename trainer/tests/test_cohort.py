"""M14: a cohort is read only as its manifest states it."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from cohortfarm_trainer.data.memory import Seen, check_unseen, described, read_memory
from cohortfarm_trainer.data.source import read_source, read_sources
from cohortfarm_trainer.data.split import test_part
from cohortfarm_trainer.errors import TerminalError, UsageError

LABELS = ["edema"]
test_part.__test__ = False  # a function of the trainer, whatever pytest makes of its name
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


def test_a_cohort_is_read_with_all_that_it_extends(tmp_path):
    first, second, third = (tmp_path / name for name in ("one", "two", "three"))
    cohort(first), cohort(second), cohort(third)
    for before, after in ((first, second), (second, third)):
        parent = {"manifest": f"../{before.name}/dataset.json", "sha256": stated(before, "dataset.json")["sha256"]}
        write_manifest(after, parent=parent, planDigest=after.name)
    records = read_source(str(third), LABELS, {})
    assert records.labels.tolist() == [[1], [0], [1]] * 3
    assert [blob.store.uri for blob in records.blobs] == [str(one) for one in (first, second, third) for _ in SHARDS]
    assert records.patient_count() == 9
    write_manifest(first, planDigest="0" * 64)
    with pytest.raises(TerminalError, match="one/dataset.json has SHA-256 .*two, which extends it, states"):
        read_source(str(third), LABELS, {})


def test_both_images_of_a_pair_are_one_patient(tmp_path):
    cohort(tmp_path)
    table = parquet.read_table(tmp_path / "index.parquet")
    parquet.write_table(table.append_column("pair", [["0", "0", "2"]]), tmp_path / "index.parquet")
    spec = {"quota": {"axes": {"finding": {"values": ["edema", "none"]}}, "pairs": {"axis": "sex"}}}
    write_manifest(tmp_path, dataset={"spec": spec})
    assert read_source(str(tmp_path), LABELS, {}).patients.tolist() == [f"{'f' * 64}#{key}" for key in "002"]


def test_a_combination_shows_each_of_its_findings(tmp_path):
    cohort(tmp_path)
    table = parquet.read_table(tmp_path / "index.parquet")
    found = pa.array(["edema+effusion", "effusion", "no-finding"])
    table = table.set_column(table.column_names.index("finding"), "finding", found)
    parquet.write_table(table, tmp_path / "index.parquet")
    finding = {"values": ["no-finding", "edema", "effusion"], "combinations": [["edema", "effusion"]]}
    write_manifest(tmp_path, dataset={"spec": {"quota": {"axes": {"finding": finding}}}})
    labels = ["no-finding", "edema", "effusion"]
    assert read_source(str(tmp_path), labels, {}).labels.tolist() == [[0, 1, 1], [0, 0, 1], [1, 0, 0]]
    unknown = read_source(str(tmp_path), labels, {}, {"unnamed": "Unknown"}).labels
    assert np.array_equal(unknown, [[0, 1, 1], [0, np.nan, 1], [1, 0, 0]], equal_nan=True)


def test_a_folder_of_datasets_may_leave_unnamed_findings_unknown_and_a_label_needs_images_without_it(tmp_path):
    cohort(tmp_path / "one"), cohort(tmp_path / "two")
    how = {"unnamed": "Unknown"}
    assert len(read_source(str(tmp_path), LABELS, {}, how)) == 6
    with pytest.raises(UsageError, match="source.unnamed: no image of .* is known to lack edema"):
        read_sources({"data": [str(tmp_path)], "source": how}, LABELS, {})


def test_only_a_published_dataset_has_findings_that_its_prompts_do_not_name(tmp_path):
    (tmp_path / "metadata.csv").write_text("image,patient_id,findings\n")
    with pytest.raises(UsageError, match="source.unnamed: is for a published dataset"):
        read_source(str(tmp_path), LABELS, {}, {"unnamed": "Unknown"})


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


def declaring(folder, model: list[dict], gate: list[dict] | None = None) -> Seen:
    """What is remembered of a cohort whose resource says what its generator and its gate were trained on."""
    source = cohort(folder)
    spec = {
        "quota": {"axes": {"finding": {"values": ["edema", "none"]}}},
        "model": {"trainedOn": model},
        "quality": {"gates": [{"name": "finding", "trainedOn": gate or []}]},
    }
    write_manifest(folder, dataset={"spec": spec})
    return Seen(read_source(source, LABELS, {}))


def site(folder, how: dict, split: str = "") -> Seen:
    folder.mkdir()
    rows = "".join(f"1.png,{patient},edema,{split}\n" for patient in (10, 11))
    (folder / "metadata.csv").write_text(f"file_name,patient_id,findings,split\n{rows}")
    (folder / "1.png").write_bytes(b"only compared")
    return Seen(test_part(read_source(str(folder), ["no-finding", *LABELS], {}, how)), how)


@pytest.mark.parametrize(
    ("trained", "how", "split", "refused"),
    [
        ([{"dataset": "bidmc"}], {"site": "bidmc"}, "test", True),
        ([{"dataset": "bidmc", "split": "train"}], {"site": "bidmc"}, "test", False),
        ([{"dataset": "bidmc", "split": "test"}], {"site": "bidmc"}, "test", True),
        # The site does not say whether it is of the part that was not trained on.
        ([{"dataset": "bidmc", "split": "train"}], {"site": "bidmc"}, "", True),
        ([{"dataset": "bidmc", "split": "train"}], {"site": "bidmc", "holdOut": {"share": 1}}, "test", True),
        ([{"dataset": "stanford"}], {"site": "bidmc"}, "", False),
    ],
)
def test_science_1_8_a_site_that_the_generator_saw_is_refused(tmp_path, trained, how, split, refused):
    seen, one = declaring(tmp_path / "cohort", trained), site(tmp_path / "site", how, split)
    for memory in (seen.people, read_memory(seen.all.stored())):
        if refused:
            with pytest.raises(UsageError, match="site a is of bidmc, which the generator or a gate .* was trained on.*; measure on other data, or say in trainedOn"):
                check_unseen("a", one, memory, "the model")
        else:
            check_unseen("a", one, memory, "the model")


def test_science_1_8_what_a_gate_saw_counts_and_a_preset_is_a_data_set(tmp_path):
    seen, one = declaring(tmp_path / "cohort", [], [{"dataset": "nih-cxr14"}]), site(tmp_path / "site", {"site": "nih"}, "test")
    one.source["preset"] = "nih-cxr14"
    with pytest.raises(UsageError, match="site a is of nih-cxr14"):
        check_unseen("a", one, seen.people, "the model")
    assert described(seen.people) == ["nih-cxr14"]


def test_science_1_8_listed_patients_of_the_generator_are_compared_one_by_one(tmp_path):
    file = tmp_path / "patients.txt"
    file.write_text(hashlib.sha256(b"bidmc#10").hexdigest()[:16] + "\n")
    seen = declaring(tmp_path / "cohort", [{"dataset": "bidmc", "patients": str(file)}])
    with pytest.raises(UsageError, match="1 patients of site a are among those that the model was trained on"):
        check_unseen("a", site(tmp_path / "site", {"site": "bidmc"}), seen.people, "the model")
    file.write_text(hashlib.sha256(b"bidmc#9").hexdigest()[:16] + "\n")
    seen = declaring(tmp_path / "again", [{"dataset": "bidmc", "patients": str(file)}])
    check_unseen("a", site(tmp_path / "other", {"site": "bidmc"}), seen.people, "the model")
    assert described(seen.people) == ["bidmc (listed patients)"]
    file.write_text("patient 9\n")
    with pytest.raises(UsageError, match="patients.txt is not a list of hashed patients: line 1 is 'patient'"):
        declaring(tmp_path / "wrong", [{"dataset": "bidmc", "patients": str(file)}])
