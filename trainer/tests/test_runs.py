"""Whole commands on a few small images: early stopping, 16 bits, the arms of a comparison."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from cohortfarm_trainer.__main__ import main
from cohortfarm_trainer.config import check_config, config_digest
from cohortfarm_trainer.data.source import read_source
from cohortfarm_trainer.distributed import join_team
from cohortfarm_trainer.errors import StoppedError, UsageError
from cohortfarm_trainer.evaluation.comparison import headline_of
from cohortfarm_trainer.report.card import model_card
from cohortfarm_trainer.report.comparison import curve_section
from cohortfarm_trainer.report.parts import cell, row, table
from cohortfarm_trainer.stages.arms import Arm, arms_of, first_job, job_of, read_data
from cohortfarm_trainer.stages.compare import primary_of
from cohortfarm_trainer.stages.context import Context
from cohortfarm_trainer.stages.train import train_stage
from cohortfarm_trainer.training.job import Job, Weights, batch_of, steps_of
from cohortfarm_trainer.training.objective import even_chances
from cohortfarm_trainer.weights import read_torch


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


def stage_config(tmp_path, kind: str, name: str, **more) -> dict:
    return {
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


def run(tmp_path, kind: str, name: str, **more) -> dict:
    config = stage_config(tmp_path, kind, name, **more)
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


def test_a_warm_up_or_a_probe_ends_before_the_run_does(tmp_path, data):
    def config(kind: str, **more) -> dict:
        return check_config(stage_config(tmp_path, kind, "short", **more), kind.lower())

    part = lambda **hyper: {"data": [data["real"]], "hyperparameters": {"batchSize": 16, **hyper}}
    with pytest.raises(UsageError, match="train.hyperparameters.warmupSteps: 8 is not less than the 8 steps of the run; lower it, or train longer\n.*probeSteps: 9"):
        config("Pretrain", train=part(steps=8, warmupSteps=8, probeSteps=9))
    with pytest.raises(UsageError, match="compare.finetune.hyperparameters.probeSteps: 4 is not less than the 4 steps"):
        config("Compare", sites=[{"name": "a", "uri": data["a"]}], compare={"baselines": ["RealOnly"], "seeds": 1, "pretrain": part(steps=8, probeSteps=7), "finetune": part(steps=4, probeSteps=4)})
    # Of epochs the steps are known once the images are.
    hyper = part(epochs=2, probeSteps=8)["hyperparameters"]
    config("Pretrain", train=part(**hyper))
    assert steps_of(hyper, 72) == 9
    with pytest.raises(UsageError, match="^hyperparameters.probeSteps: 8 is not less than the 8 steps"):
        steps_of(hyper, 64)


@pytest.mark.parametrize(("selection", "words"), [({}, "lowest validation loss"), ({"selectBy": "Auroc"}, "highest validation AUROC")])
def test_the_report_says_by_what_weights_were_kept(tmp_path, data, selection, words):
    metrics = run(tmp_path, "Pretrain", "kept", train={"data": [data["real"]], "hyperparameters": {**HYPER, **selection}})
    training = metrics["training"]
    values = [one["validationAuroc"] if selection else -one["validationLoss"] for one in training["history"]]
    assert training["bestStep"] == 4 * (int(np.argmax(values)) + 1)
    assert f"the result is step {training['bestStep']}, of the {words}." in (tmp_path / "kept" / "report.html").read_text()


def test_a_stage_leaves_a_model_card(tmp_path, data):
    metrics = run(tmp_path, "Pretrain", "carded", train={"data": [data["real"]], "hyperparameters": HYPER})
    card = (tmp_path / "carded" / "README.md").read_text()
    assert card.startswith("# carded\n") and metrics["configDigest"] in card
    label = metrics["evaluations"][0]["labels"][-1]
    assert f"| edema | {label['positives']} | {label['negatives']} | {label['threshold']:.3f} |" in card
    assert f"{metrics['training']['train']['images']} images" in card and "(real)" in card
    assert str(tmp_path) not in card and data["real"] not in card
    assert "no medical device" in card
    metrics["model"]["trainedOn"] = ["mimic-cxr-jpg (train)"]
    worst = {"cell": {"race": "<IMG SRC=//EVIL>,\n[CLICK](HTTPS://EVIL)"}, "of": 9, "ofPatients": 9, "rate": 0.3}
    hostile = {"label": "no-finding", "rate": "FalsePositiveRate", "operatingPoint": "Validation", "worst": worst}
    metrics["evaluations"][0]["disparities"] = [hostile]
    config = {**stage_config(tmp_path, "Pretrain", "carded", weights="s3://b/first/model.pt"), "seed": 1}
    shown = model_card(metrics, {**config, "train": {"data": ["s3://b/a|b/"], "hyperparameters": {**HYPER, "weightDecay": 0.01}}}, 0.1)
    assert "| Has seen | mimic-cxr-jpg (train) |" in shown and "(a\\|b)" in shown and "| Begins with | first |" in shown
    assert r"0.300 of \<IMG SRC=//EVIL\>, \[CLICK\](HTTPS://EVIL)" in shown


def test_it_trains_in_16_bits(tmp_path, data):
    hyper = {**HYPER, "precision": "bfloat16", "steps": 40}
    history = run(tmp_path, "Pretrain", "half", train={"data": [data["real"]], "hyperparameters": hyper})["training"]["history"]
    assert history[-1]["trainLoss"] < history[0]["trainLoss"]


BASELINES = [
    "RealOnly", "RealOnlyEqualCompute", "RealOnlyReweighted", "RealOnlyGroupDRO", "Mixed", "MixedFinetune", "SyntheticOnly",
    "PretrainFinetuneReplay", "PretrainFinetuneBalanced",
]  # fmt: skip


def test_science_1_5_arms_of_equal_compute_see_as_many_images_in_batches_of_one_size(tmp_path, data):
    """Of Mixed, batches once grew with the number of synthetic images."""

    def jobs(**more) -> dict[str, list[tuple[int, list[float], bool]]]:
        hyper = {name: value for name, value in HYPER.items() if name != "validateSteps"}
        part = lambda name, steps, batch: {"data": [data[name]], "hyperparameters": {**hyper, "steps": steps, "batchSize": batch}}
        compare = {"baselines": BASELINES, "seeds": 1, "pretrain": part("synthetic", 600, 32), "finetune": part("real", 40, 16), **more}
        context = Context(check_config(stage_config(tmp_path, "Compare", "compare", sites=[], compare=compare), "compare"), join_team(), lambda: False)
        read = read_data(context)
        found = {}
        for arm in arms_of(context):
            runs = [first_job(context, arm, read), job_of(context, arm, read, Weights(b"", "before"))]
            made.extend(job for job in runs if job)
            found[arm.arm] = [(job.steps, [round(group.rate, 6) for group in job.groups], job.weights is not None) for job in runs if job]
        return found

    made: list[Job] = []
    found = jobs()
    real = [(40, [16.0], False)]
    pretrained = (600, [32.0], False)
    # 600 steps of 32 images are 1,200 of 16, and of all images 1,200 in 1,240 are synthetic.
    mixed = [round(16 * 40 / 1240, 6), round(16 * 1200 / 1240, 6)]
    assert found == {
        **dict.fromkeys(("RealOnly", "RealOnlyReweighted", "RealOnlyGroupDRO"), real),
        "RealOnlyEqualCompute": [(1240, [16.0], False)],
        "Mixed": [(1240, mixed, False)],
        "MixedFinetune": [(1200, mixed, False), (40, [16.0], True)],
        "SyntheticOnly": [pretrained],
        "PretrainFinetuneReplay": [pretrained, (40, [12.8, 3.2], True)],
        "PretrainFinetuneBalanced": [pretrained, (40, [16.0], True)],
        "PretrainFinetune": [pretrained, (40, [16.0], True)],
    }
    # The weights of a run are chosen from as many validations, one an epoch of finetuning (3 of its 40 steps): 14.
    assert {-(-job.steps // job.interval) for job in made} == {14}
    found = jobs(mixedShare=0.25, replayShare=0.5)
    assert found["Mixed"] == [(1240, [12.0, 4.0], False)] and found["PretrainFinetuneReplay"][1] == (40, [8.0, 8.0], True)
    assert found["MixedFinetune"][0] == (1200, [12.0, 4.0], False)


def test_a_warm_up_ends_before_the_mixed_run_does(tmp_path, data):
    part = lambda name, **more: {"data": [data[name]], "hyperparameters": {**HYPER, **more}}
    compare = {"baselines": ["MixedFinetune"], "seeds": 1, "pretrain": part("synthetic", steps=5), "finetune": part("real", warmupSteps=6)}
    context = Context(check_config(stage_config(tmp_path, "Compare", "compare", sites=[], compare=compare), "compare"), join_team(), lambda: False)
    with pytest.raises(UsageError, match="^hyperparameters.warmupSteps: 6 is not less than the 5 steps of the run"):
        read_data(context)


def test_groups_are_drawn_alike_as_far_as_they_may(tmp_path, data):
    records = read_source(data["real"], ["no-finding", "edema"], {})
    sizes = lambda taken: {name: int(count) for name, count in zip(*np.unique(taken, return_counts=True))}
    few = records.take(np.r_[np.flatnonzero(records.sex == "female")[:2], np.flatnonzero(records.sex == "male")])
    even = replace(few, age=np.full(len(few), 50.0, np.float32), race=np.full(len(few), "ASIAN"), labels=np.repeat([[1.0, 0.0]], len(few), 0))
    chances = even_chances(even, ["no-finding", "edema"], ["18-80"])
    men = sizes(even.sex)["male"]
    np.testing.assert_allclose(chances, np.where(even.sex == "female", 1 / 4, 1 / (2 * men)))
    balanced = even.take(np.r_[0:2, 2:5])
    chances = even_chances(balanced, ["no-finding", "edema"], ["18-80"])
    np.testing.assert_allclose(chances, [1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6])
    # Images of whom nothing is known come as often as they are.
    unknown = replace(balanced, sex=np.array(["female", "male", "male", "male", "unknown"]))
    chances = even_chances(unknown, ["no-finding", "edema"], ["18-80"])
    np.testing.assert_allclose(chances, np.array([2, 2 / 3, 2 / 3, 2 / 3, 1]) / 5)


def test_arms_take_the_steps_that_they_are_said_to(tmp_path, data):
    first = run(tmp_path, "Pretrain", "weights", train={"data": [data["synthetic"]], "hyperparameters": HYPER})
    assert first["training"]["train"]["images"] == 72
    compare = {
        "baselines": BASELINES,
        "seeds": 1,
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
    arms = (*BASELINES, "PretrainFinetune")
    assert found == {(arm, start, place) for arm in arms for start in ("Scratch", "Weights") for place in ("macro", "a", "b", "pooled")}
    steps = {}
    for path in (tmp_path / "compare" / "runs").iterdir():
        done = json.loads((path / "done.json").read_text())
        steps.setdefault(path.name.rsplit("-", 1)[0], set()).add(done["step"])
    # Science 2.1: what PretrainFinetune begins with is the run of SyntheticOnly, and trained once.
    # Science 1.5: at equal compute real images take as many steps as both stages of PretrainFinetune together.
    taken = {"SyntheticOnly": 12, "RealOnlyEqualCompute": 8 + 12, "Mixed": 8 + 12, "MixedFirst": 12}
    assert steps == {f"{arm.lower()}-{start}": {taken.get(arm, 8)} for arm in (*arms, "MixedFirst") for start in ("scratch", "weights")}
    assert (comparison["equalComputeSteps"], comparison["mixedShare"], comparison["replayShare"]) == (20, 0.6, 0.2)
    pairs = {(one["arm"], one["minus"]) for one in comparison["contrasts"]}
    rivals = {("PretrainFinetune", rival) for rival in BASELINES if rival != "SyntheticOnly"}
    assert pairs == {(arm, minus) for arm in arms[1:] for minus in arms[:2] if arm != minus} | rivals
    real, tuned = (next(one for one in comparison["arms"] if one["arm"] == name and one["site"] == "a") for name in ("RealOnly", "PretrainFinetune"))
    difference = next(one for one in comparison["contrasts"] if (one["arm"], one["minus"], one["site"], one["endpoint"]) == ("PretrainFinetune", "RealOnly", "a", "auroc"))
    assert difference["value"] == pytest.approx(tuned["auroc"]["value"] - real["auroc"]["value"]) and difference["pAdjusted"] is None
    # The paper's question is asked, declared, and tested on the mean over the sites.
    assert comparison["primary"] == {"arm": "PretrainFinetune", "minus": "Mixed", "initialisation": "Weights", "endpoint": "auroc"}
    primary = [one for one in comparison["contrasts"] if one["primary"]]
    assert [(one["arm"], one["minus"], one["site"]) for one in primary] == [("PretrainFinetune", "Mixed", "macro")]
    by_site = [next(one for one in comparison["arms"] if (one["arm"], one["site"], one["initialisation"]) == ("Mixed", site, "Weights"))["auroc"]["value"] for site in ("macro", "a", "b")]
    assert by_site[0] == pytest.approx(np.mean(by_site[1:]))
    # Pooled images are those of both sites, and what is not known is said.
    report = (tmp_path / "compare" / "report.html").read_text()
    assert "Real only at equal compute and mixed take 20 steps, as many images as pretraining and finetuning together." in report
    assert "Of each mixed batch 60 % is synthetic. With replay, 20 % of each batch of finetuning is synthetic." in report
    assert "Pretrain, then finetune, groups drawn alike" in report and "<script" not in report and "http" not in report


def test_science_1_7_arms_with_synthetic_images_are_run_with_each_cohort(tmp_path, data):
    part = lambda name, steps: {"data": [data[name]], "hyperparameters": {**HYPER, "steps": steps}}
    compare = {"baselines": ["RealOnly", "Mixed", "SyntheticOnly"], "seeds": 2, "pretrain": part("synthetic", 6), "finetune": part("real", 4)}
    sites = [{"name": name, "uri": data[name]} for name in ("a", "b")]
    plain = run(tmp_path, "Compare", "plain", sites=sites, compare=compare)
    matched = site(tmp_path / "matched", 48, 9, "matched")
    cohorts = [{"name": "balanced", "data": [data["synthetic"]]}, {"name": "matched", "data": [matched]}]
    compare |= {"synthetic": cohorts, "primary": {"minus": "Mixed", "endpoint": "auroc", "synthetic": "matched"}}
    metrics = run(tmp_path, "Compare", "named", sites=sites, compare=compare)
    comparison = metrics["comparison"]
    for arm in comparison["arms"]:
        values = [seed["auroc"] for seed in arm["seeds"]]
        assert len(values) == 2 and arm["auroc"]["value"] == pytest.approx(np.mean(values))
    used = ("Mixed", "SyntheticOnly", "PretrainFinetune")
    arms = {(arm["arm"], arm.get("synthetic")) for arm in comparison["arms"]}
    assert arms == {("RealOnly", None), *((arm, cohort) for arm in used for cohort in ("balanced", "matched"))}
    folders = {path.name for path in (tmp_path / "named" / "runs").iterdir()}
    expected = ["realonly", *(f"{arm.lower()}-{cohort}" for arm in used for cohort in ("balanced", "matched"))]
    assert folders == {f"{name}-scratch-{seed}" for name in expected for seed in (0, 1)}
    # The first cohort is that of the comparison without names, run by run; the other one is other images.
    values = lambda found, cohort: {
        (arm["arm"], arm["site"]): [seed["auroc"] for seed in arm["seeds"]] for arm in found["comparison"]["arms"] if arm.get("synthetic") in (None, cohort)
    }
    assert values(metrics, "balanced") == values(plain, None) != values(metrics, "matched")
    assert metrics["headline"] == plain["headline"]
    pairs = {(one["arm"], one.get("synthetic"), one["minus"], one.get("minusSynthetic")) for one in comparison["contrasts"]}
    assert pairs == {
        *((arm, cohort, "RealOnly", None) for arm in used for cohort in ("balanced", "matched")),
        *(("PretrainFinetune", cohort, "Mixed", cohort) for cohort in ("balanced", "matched")),
        *((arm, "matched", arm, "balanced") for arm in used),
    }
    primary = [one for one in comparison["contrasts"] if one["primary"]]
    assert [(one["synthetic"], one["minus"], one["minusSynthetic"], one["site"]) for one in primary] == [("matched", "Mixed", "matched", "macro")]
    assert all((one["pAdjusted"] is not None) == (one["site"] == "macro") for one in comparison["contrasts"])
    report = (tmp_path / "named" / "report.html").read_text()
    assert "Pretrain, then finetune (matched) minus real and synthetic, mixed, AUROC" in report
    assert "Pretrain, then finetune (matched) minus pretrain, then finetune (balanced)" in report


def test_the_primary_contrast_is_by_default_one_that_is_measured():
    for baselines, minus in (
        (["SyntheticOnly", "RealOnlyGroupDRO", "RealOnly"], "RealOnly"),
        (["SyntheticOnly", "RealOnlyGroupDRO", "RealOnlyReweighted"], "RealOnlyGroupDRO"),
        (["RealOnly", "Mixed"], "Mixed"),
    ):
        assert primary_of({"baselines": baselines}, weights=False)["minus"] == minus


def test_curves_of_synthetic_cohorts_are_dashed_each_in_its_own_way():
    points = [{"step": step, "validationLoss": 1.0 / step, "validationAuroc": 0.5} for step in (1, 2)]
    cohorts = [f"cohort-{i}" for i in range(16)]
    arms = [{"arm": "RealOnly"}, *({"arm": arm, "synthetic": cohort} for cohort in cohorts for arm in ("Mixed", "PretrainFinetune"))]
    section = curve_section([{**arm, "initialisation": "Scratch", "seed": seed, "points": points} for arm in arms for seed in (0, 1)])
    lines = re.findall(r'<polyline fill="none" stroke="([^"]+)" stroke-width="1.8"(?: stroke-dasharray="([^"]+)")?', section)
    assert len(lines) == 2 * 2 * len(arms) and len(set(lines)) == len(arms)
    # The legend shows the same.
    legend = section.split('<ul class="legend">')[1].split("</ul>")[0]
    samples = re.findall(r'(?:background:|stroke=")([^"]+)"(?: stroke-width="1.8" stroke-dasharray="([^"]+)")?', legend)
    assert set(samples) == set(lines) and len(samples) == len(arms)


def test_science_2_4_shares_of_the_runs_come_to_the_same_bytes_as_one_after_another(tmp_path, data, monkeypatch, capfd):
    part = lambda name, steps: {"data": [data[name]], "hyperparameters": {**HYPER, "steps": steps}}
    compare = {"baselines": ["RealOnly", "Mixed", "SyntheticOnly"], "seeds": 1, "pretrain": part("synthetic", 6), "finetune": part("real", 4)}
    sites = [{"name": "a", "uri": data["a"]}]
    run(tmp_path, "Compare", "alone", sites=sites, compare=compare)
    folder = tmp_path / "shares"
    trained = []
    for share in ("0", "1", "2"):
        monkeypatch.setenv("COHORTFARM_SHARE", share)
        path = tmp_path / "share.json"
        path.write_text(json.dumps(stage_config(tmp_path, "Compare", "shares", sites=sites, compare={**compare, "shares": 3})))
        assert main(["compare", "--config", str(path)]) == 0
        trained.append({one.name for one in (folder / "runs").iterdir()} - {name for before in trained for name in before})
        assert not (folder / "metrics.json").exists()
    name = lambda *arms: {f"{arm}-scratch-0" for arm in arms}
    assert trained == [name("realonly"), name("mixed"), name("syntheticonly", "pretrainfinetune")]
    done = {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*/done.json")}
    (tmp_path / "reduced").mkdir()
    run(tmp_path / "reduced", "Compare", "alone", sites=sites, compare={**compare, "runs": str(folder)})
    assert {path: path.stat().st_mtime_ns for path in done} == done and not (tmp_path / "reduced" / "alone" / "runs").exists()
    files = [path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*") if path.is_file()]
    assert len(files) > 12
    for path in files:
        other = (folder if path.parts[0] == "runs" else tmp_path / "reduced" / "alone") / path
        # A checkpoint, how long a run took, and at which time (as event files say) are not results.
        if path.name not in ("checkpoint.pt", "done.json") and "events" not in path.parts:
            assert other.read_bytes() == (tmp_path / "alone" / path).read_bytes(), path
    monkeypatch.setenv("COHORTFARM_SHARE", "3")
    said = failure(tmp_path, capfd, "Compare", "wrong", sites=sites, compare={**compare, "shares": 3})
    assert "COHORTFARM_SHARE: '3' is not one of the 3 shares of the config; give a number from 0 to 2" in said


def test_a_headline_has_room_for_every_arm():
    estimate = {"value": 0.5, "low": None, "high": None}
    arms = [
        {"arm": f"Arm{i}", "initialisation": "Scratch", "site": "macro", "auroc": estimate, "betweenSd": estimate, "underdiagnosis": estimate} for i in range(7)
    ]
    assert list(headline_of(arms)) == [f"arm{i}{kind}" for i in range(7) for kind in ("Auroc", "BetweenSd")]
    assert len(headline_of(arms[:5])) == 15


def compare_config(data, **more) -> dict:
    part = lambda name: {"data": [data[name]], "hyperparameters": {**HYPER, "steps": 4}}
    return {"compare": {"baselines": ["RealOnly"], "seeds": 1, "pretrain": part("synthetic"), "finetune": part("real")}, **more}


def test_science_1_4_seeds_draw_validation_patients_of_their_own(tmp_path, data):
    config = check_config(stage_config(tmp_path, "Compare", "compare", **compare_config(data, sites=[{"name": "a", "uri": data["a"]}])), "compare")
    context = Context(config, join_team(), lambda: False)
    real = read_data(context).real
    held = {seed: frozenset(real.split(seed)[1].patients) for seed in range(4)}
    assert len(set(held.values())) == 4 and {len(one) for one in held.values()} == {8}
    for seed, patients in held.items():
        own = real.split(seed)[0]
        assert not patients & set(own.patients) and len(own) + len(real.split(seed)[1]) == 64
        job = job_of(context, Arm("RealOnly", "Scratch", seed, None), read_data(context), None)
        assert frozenset(job.validation.patients) == patients and frozenset(job.groups[0].records.patients) == frozenset(own.patients)
        # Whatever the split, a model remembers all of them.
        assert job.memory().patients == real.seen.people.patients and len(job.memory().patients) == 32


def test_only_arms_with_weights_to_keep_take_the_hyperparameters_that_keep_them(tmp_path, data):
    part = lambda name, **more: {"data": [data[name]], "hyperparameters": {**HYPER, **more}}
    baselines = ["RealOnly", "RealOnlyEqualCompute", "RealOnlyReweighted", "RealOnlyGroupDRO", "Mixed", "SyntheticOnly"]
    (tmp_path / "given.pt").write_bytes(b"weights")

    def hypers() -> dict[tuple[str, str], dict]:
        keeping = {"freezeNorms": True, "layerDecay": 0.7, "probeSteps": 2, "warmupSteps": 1}
        compare = {"baselines": baselines, "seeds": 1, "pretrain": part("synthetic", layerDecay=0.8), "finetune": part("real", **keeping)}
        config = stage_config(tmp_path, "Compare", "kept", sites=[], weights=str(tmp_path / "given.pt"), compare=compare)
        context = Context(check_config(config, "compare"), join_team(), lambda: False)
        read = read_data(context)
        jobs = {(arm.arm, arm.initialisation): job_of(context, arm, read, arm.weights or Weights(b"", "pretrained")) for arm in arms_of(context)}
        return {key: {name: job.hyper[name] for name in (*keeping,) if name in job.hyper} for key, job in jobs.items()}

    given = {"freezeNorms": True, "layerDecay": 0.7, "probeSteps": 2, "warmupSteps": 1}
    found = hypers()
    assert {start: found["SyntheticOnly", start] for start in ("Scratch", "Weights")} == {"Scratch": {}, "Weights": {"layerDecay": 0.8}}
    assert [found["PretrainFinetune", start] for start in ("Scratch", "Weights")] == [given, given]
    for arm in baselines[:-1]:
        assert (found[arm, "Scratch"], found[arm, "Weights"]) == ({"warmupSteps": 1}, given), arm


def test_only_comparisons_with_such_hyperparameters_are_others_than_before(tmp_path, data):
    config = compare_config(data)["compare"]
    plain = {"type": "Compare", "compare": config}
    before = json.dumps(plain, sort_keys=True, separators=(",", ":")).replace(',"loaderWorkers":0', "")
    assert config_digest(plain) == hashlib.sha256(before.encode()).hexdigest()
    keeping = {"type": "Compare", "compare": {**config, "finetune": {"data": [data["real"]], "hyperparameters": {"probeSteps": 2}}}}
    text = json.dumps(keeping, sort_keys=True, separators=(",", ":")).replace(',"loaderWorkers":0', "")
    assert config_digest(keeping) != hashlib.sha256(text.encode()).hexdigest()


def failure(tmp_path, capfd, kind: str, name: str, **more) -> str:
    with pytest.raises(AssertionError):
        run(tmp_path, kind, name, **more)
    return capfd.readouterr().err


def test_science_1_8_compare_knows_whom_its_weights_were_trained_on(tmp_path, data, capfd):
    run(tmp_path, "Pretrain", "weights", train={"data": [data["a"]], "hyperparameters": {**HYPER, "steps": 4}})
    weights = str(tmp_path / "weights" / "model.pt")
    site = lambda name: [{"name": name, "uri": data[name]}]
    said = failure(tmp_path, capfd, "Compare", "seen", **compare_config(data, weights=weights, sites=site("a")))
    assert "60 patients of site a are among those that the model of the given weights was trained on" in said
    # Nor are the patients of the stages themselves measured, and nothing is trained before that is said.
    said = failure(tmp_path, capfd, "Compare", "own", **compare_config(data, sites=site("synthetic")))
    assert "48 patients of site synthetic are among those that a run of the comparison was trained on" in said
    assert not (tmp_path / "own" / "runs").exists() and not (tmp_path / "seen" / "runs").exists()
    run(tmp_path, "Compare", "unseen", **compare_config(data, weights=weights, sites=site("b")))
    for path in (tmp_path / "unseen" / "runs").iterdir():
        remembered = set(read_torch((path / "model.pt").read_bytes(), "model.pt")["trainedOn"])
        given = set(read_torch((tmp_path / "weights" / "model.pt").read_bytes(), "model.pt")["trainedOn"])
        assert (given <= remembered) == ("-weights-" in path.name)
        assert len(remembered - given) == (32 + 48 if path.name.startswith("pretrainfinetune") else 48 if "synthetic" in path.name else 32)


def test_science_2_1_a_run_continues_on_another_number_of_processes(tmp_path, data):
    hyper = {**HYPER, "epochs": 10, "validateSteps": 8}
    del hyper["steps"]
    config = stage_config(tmp_path, "Pretrain", "moved", train={"data": [data["real"]], "hyperparameters": hyper})
    stopping = iter([False] * 12 + [True])
    with pytest.raises(StoppedError, match="stopped at step 13"):
        train_stage(Context(check_config(config, "pretrain"), join_team(), lambda: next(stopping)))
    path = tmp_path / "moved.json"
    path.write_text(json.dumps(config))
    environment = {**os.environ, "PET_NPROC_PER_NODE": "2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", "cohortfarm_trainer", "pretrain", "--config", str(path)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "resumes from the checkpoint of step 13" in done.stderr
    training = json.loads((tmp_path / "moved" / "metrics.json").read_text())["training"]
    # 10 epochs of 48 images, 16 in each step of all processes together.
    assert (training["processes"], training["resumed"], training["steps"], training["plannedSteps"]) == (2, 1, 30, 30)
    assert [one["step"] for one in training["history"]] == [8, 16, 24, 30]
    assert training["history"][1]["learningRate"] == pytest.approx(0.001 * 0.5 * (1 + np.cos(np.pi * 16 / 30)))


def test_a_batch_that_is_too_small_for_its_processes_is_refused():
    assert batch_of({"batchSize": 8}, 8) == 8
    with pytest.raises(UsageError, match="8 images in a step are too few for 9 processes"):
        batch_of({"batchSize": 8}, 9)


LOSS = """
import sys, torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from cohortfarm_trainer.distributed import join_team
from cohortfarm_trainer.training.objective import GROUP_DRO, MEAN, REWEIGHTED, Objective
import pandas
team = join_team()
torch.manual_seed(0)
images, labels = torch.randn(6, 4), torch.randint(0, 2, (6, 3)).float()
labels[0] = float("nan"); labels[1, 1:] = float("nan"); labels[2, 0] = float("nan")  # of rank 0 most is unknown
net = torch.nn.Linear(4, 3)
wrapped = DistributedDataParallel(net) if team.world > 1 else net
# Of 6 images 3 are each rank's, or all of the only one.
mine = range(6) if team.world == 1 else range(team.rank * 3, team.rank * 3 + 3)
groups = pandas.Series(list("aabbbb"))
found = {}
for kind in (MEAN, REWEIGHTED, GROUP_DRO):
    objective = Objective(kind) if kind == MEAN else Objective(kind, groups, groups)
    places = torch.zeros(6, dtype=torch.int64) if kind == MEAN else torch.from_numpy(objective.train)
    net.zero_grad()
    own, loss = objective.shared(wrapped(images[mine]), labels[mine], torch.tensor([1.0, 3.0, 0.5]), places[mine], team)
    own.backward()
    found[kind] = {"loss": loss, "gradient": net.weight.grad.clone(), "shares": objective.shares}
if team.rank == 0:
    torch.save(found, sys.argv[1])
"""


def test_science_2_1_gradients_are_those_of_the_masked_mean_of_all_processes(tmp_path):
    script = tmp_path / "loss.py"
    script.write_text(LOSS)
    found = {}
    for world in (1, 2):
        out = tmp_path / f"{world}.pt"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}", str(script), str(out)]
        done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found[world] = torch.load(out)
    assert len(found[1]) == 3
    for kind, alone in found[1].items():
        assert found[2][kind]["loss"] == pytest.approx(alone["loss"], rel=1e-6)
        torch.testing.assert_close(found[2][kind]["gradient"], alone["gradient"])
        torch.testing.assert_close(found[2][kind]["shares"], alone["shares"])


def test_mixed_sees_as_many_images_of_both_kinds_as_pretraining_and_finetuning(tmp_path, data):
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
    assert job.steps == 8 + 13 and real.rate + synthetic.rate == pytest.approx(16)
    assert (real.rate * job.steps, synthetic.rate * job.steps) == (pytest.approx(8 * 16), pytest.approx(13 * 16))


def test_science_5_a_result_of_another_version_is_named_once_and_measured_again(tmp_path, data, capsys):
    config = check_config(stage_config(tmp_path, "Pretrain", "old", train={"data": [data["real"]], "hyperparameters": HYPER}), "pretrain")
    context = Context(config, join_team(), lambda: False)
    old = {"apiVersion": "cohortfarm.dev/metrics/v1", "configDigest": context.digest, "comparison": {"differences": []}}
    context.store.put("metrics.json", json.dumps(old).encode())
    assert context.finished() is None
    said = capsys.readouterr()
    assert (said.out + said.err).count("metrics.json is cohortfarm.dev/metrics/v1, and this version writes cohortfarm.dev/metrics/v2: it is measured again") == 1


def test_on_a_narrow_screen_each_cell_of_a_table_says_its_column():
    shown = table(["Arm", "a & b", "pooled"], [row("Mixed", "", [cell(None), cell(None)]), "<tr><td>x</td><td>y</td><td>z</td></tr>"])
    columns = ["a &amp; b", "pooled", "Arm", "a &amp; b", "pooled"]
    assert re.findall(r'<td data-column="([^"]*)"', shown) == columns
