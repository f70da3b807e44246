"""Whole commands on a few small images: early stopping, 16 bits, the arms of a comparison."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from cohortfarm_trainer.__main__ import main


def site(folder, n: int, seed: int, prefix: str) -> str:
    """Films with edema are brighter; each patient has two."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = []
    for i in range(n):
        ill = rng.random() < 0.5
        pixels = np.clip(rng.normal(110 if ill else 90, 25, (32, 32)), 0, 255)
        Image.fromarray(np.uint8(pixels)).save(folder / f"{i}.png")
        rows.append([f"{i}.png", f"{prefix}{i // 2}", "FM"[i % 4 // 2], 30 + 20 * (i % 3), "edema" if ill else "No Finding"])
    with open(folder / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file_name", "patient_id", "sex", "age", "findings"], *rows])
    return str(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {name: site(folder / name, n, seed, name) for seed, (name, n) in enumerate({"synthetic": 96, "real": 64, "a": 120, "b": 120}.items())}


def run(tmp_path, kind: str, name: str, **more) -> dict:
    config = {
        "apiVersion": "cohortfarm.dev/stage/v1",
        "name": name,
        "type": kind,
        "output": str(tmp_path / name),
        "architecture": "cnn-small",
        "imageSize": 32,
        "labels": ["edema"],
        "ageBins": ["18-39", "40-80"],
        "bootstraps": 100,
        **more,
    }
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(config))
    assert main([kind.lower(), "--config", str(path)]) == 0
    return json.loads((tmp_path / name / "metrics.json").read_text())


HYPER = {"steps": 8, "batchSize": 16, "learningRate": 0.001, "validationShare": 0.25, "validateSteps": 4, "loaderWorkers": 0}


def test_a_stage_that_gets_no_better_stops_early_and_keeps_its_best(tmp_path, data):
    hyper = {**HYPER, "steps": 100, "learningRate": 0.0, "patience": 3}
    metrics = run(tmp_path, "Pretrain", "flat", train={"data": [data["real"]], "hyperparameters": hyper})
    training = metrics["training"]
    # Weights stay as they are, but running means move: the loss changes a little in either way.
    losses = [one["validationLoss"] for one in training["history"]]
    best = int(np.argmin(losses))
    assert training["stoppedEarly"] and training["steps"] == 4 * len(losses)
    assert len(losses) == best + 1 + 3 and training["bestStep"] == 4 * (best + 1)


def test_it_trains_in_16_bits(tmp_path, data):
    hyper = {**HYPER, "precision": "bfloat16", "steps": 40}
    history = run(tmp_path, "Pretrain", "half", train={"data": [data["real"]], "hyperparameters": hyper})["training"]["history"]
    assert history[-1]["trainLoss"] < history[0]["trainLoss"]


def test_arms_take_the_same_steps_on_real_images(tmp_path, data):
    first = run(tmp_path, "Pretrain", "weights", train={"data": [data["synthetic"]], "hyperparameters": HYPER})
    assert first["training"]["train"]["images"] == 72
    compare = {
        "baselines": ["RealOnly", "Mixed", "SyntheticOnly"],
        "seeds": 2,
        "pretrain": {"data": [data["synthetic"]], "hyperparameters": {**HYPER, "steps": 12}},
        "finetune": {"data": [data["real"]], "hyperparameters": HYPER},
    }
    more = {
        "compare": compare,
        "sites": [{"name": name, "uri": data[name]} for name in ("a", "b")],
        "weights": str(tmp_path / "weights" / "model.pt"),
    }
    metrics = run(tmp_path, "Compare", "compare", **more)
    comparison = metrics["comparison"]
    assert (comparison["realSteps"], comparison["syntheticSteps"], comparison["batchSize"]) == (8, 12, 16)
    found = {(arm["arm"], arm["initialisation"], arm["site"]) for arm in comparison["arms"]}
    arms = ("RealOnly", "Mixed", "SyntheticOnly", "PretrainFinetune")
    assert found == {(arm, start, place) for arm in arms for start in ("Scratch", "Weights") for place in ("a", "b", "pooled")}
    steps = {}
    for path in (tmp_path / "compare" / "runs").iterdir():
        done = json.loads((path / "done.json").read_text())
        steps.setdefault(path.name.rsplit("-", 1)[0] if path.name[-1].isdigit() else "pretrain", set()).add(done["step"])
    expected = {f"{arm.lower()}-{start}": {12 if arm == "SyntheticOnly" else 8} for arm in arms for start in ("scratch", "weights")}
    assert steps == {**expected, "pretrain": {12}}
    for arm in comparison["arms"]:
        values = [seed["auroc"] for seed in arm["seeds"]]
        assert len(values) == 2 and arm["auroc"]["value"] == pytest.approx(np.mean(values))
    real, tuned = (next(one for one in comparison["arms"] if one["arm"] == name and one["site"] == "a") for name in ("RealOnly", "PretrainFinetune"))
    difference = next(one for one in comparison["differences"] if one["arm"] == "PretrainFinetune" and one["site"] == "a")
    assert difference["auroc"]["value"] == pytest.approx(tuned["auroc"]["value"] - real["auroc"]["value"])
    # Pooled images are those of both sites, and what is not known is said.
    report = (tmp_path / "compare" / "report.html").read_text()
    assert "Pretrain, then finetune" in report and "<script" not in report and "http" not in report


def test_mixed_sees_all_of_both_kinds_within_the_real_steps(tmp_path, data):
    from cohortfarm_trainer.config import check_config
    from cohortfarm_trainer.distributed import join_team
    from cohortfarm_trainer.stages.arms import arms_of, job_of, read_data
    from cohortfarm_trainer.stages.context import Context

    part = lambda name, steps: {"data": [data[name]], "hyperparameters": {**HYPER, "steps": steps}}
    config = {
        "apiVersion": "cohortfarm.dev/stage/v1",
        "name": "compare",
        "type": "Compare",
        "output": str(tmp_path),
        "architecture": "cnn-small",
        "imageSize": 32,
        "labels": ["edema"],
        "ageBins": ["18-80"],
        "sites": [],
        "compare": {"baselines": ["Mixed"], "seeds": 1, "pretrain": part("synthetic", 13), "finetune": part("real", 8)},
    }
    context = Context(check_config(config, "compare"), join_team(), lambda: False)
    read = read_data(context)
    job = job_of(context, next(arms_of(context)), read, None)
    real, synthetic = job.groups
    assert job.steps == 8 and real.rate == 16
    assert int(synthetic.rate * job.steps) == 13 * 16
