"""Tables of predictions: written by evaluations, audited for any model."""

import io
import json

import numpy as np
import pandas
import pyarrow.parquet as parquet
import pytest
from sklearn.metrics import roc_auc_score

from cohortfarm_trainer.__main__ import main
from cohortfarm_trainer.data.predictions import read_predictions
from cohortfarm_trainer.errors import UsageError
from test_runs import HYPER, run, site


def table(n: int = 600, **more) -> pandas.DataFrame:
    """Predictions of a made-up model on two sites: women are missed more often."""
    rng = np.random.default_rng(1)
    ill = rng.random(n) < 0.5
    women, age = np.repeat(rng.random(n // 2) < 0.5, 2), np.repeat(rng.integers(20, 80, n // 2), 2)
    score = np.clip(rng.normal(0.35 + 0.3 * ill - 0.2 * (ill & women), 0.15), 0.001, 0.999)
    return pandas.DataFrame(
        {
            "patient": [f"p{i // 2}" for i in range(n)],
            "site": np.where(np.arange(n) < n // 2, "a", "b"),
            "sex": np.where(women, "F", "Male"),
            "age": age,
            "label:no-finding": (~ill).astype(int),
            "score:no-finding": 1 - score,
            "label:edema": ill.astype(int),
            "score:edema": score,
            **more,
        }
    )


def audit(tmp_path, data: bytes, name: str = "predictions.csv") -> dict:
    (tmp_path / name).write_bytes(data)
    config = {
        "apiVersion": "cohortfarm.dev/stage/v1",
        "name": "audit",
        "type": "Audit",
        "output": str(tmp_path / "out"),
        "ageBins": ["18-49", "50-90"],
        "bootstraps": 200,
        "predictions": str(tmp_path / name),
    }
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(config))
    assert main(["audit", "--config", str(path)]) == 0
    return json.loads((tmp_path / "out" / "metrics.json").read_text())


def underdiagnosis(evaluation: dict, grouping: list[str]) -> dict:
    wanted = ("no-finding", "FalsePositiveRate", "Validation", grouping)
    return next(one for one in evaluation["disparities"] if (one["label"], one["rate"], one["operatingPoint"], one["grouping"]) == wanted)


def test_anybodys_csv_is_audited(tmp_path):
    given = table()
    metrics = audit(tmp_path, given.to_csv(index=False).encode())
    assert [one["site"] for one in metrics["evaluations"]] == ["a", "b", "pooled"]
    whole = metrics["evaluations"][-1]
    edema = next(one for one in whole["labels"] if one["label"] == "edema")
    assert edema["auroc"]["value"] == pytest.approx(roc_auc_score(given["label:edema"], given["score:edema"]), abs=1e-6)
    # 300 patients of two images each, 150 a site.
    assert (whole["images"], whole["patients"]) == (600, 300)
    by_sex = underdiagnosis(whole, ["sex"])
    assert by_sex["worst"]["cell"] == {"sex": "female"} and by_sex["pValue"] < 0.02 and by_sex["excess"] > 0.1
    assert by_sex["betweenSd"]["low"] > 0.05
    by_age = underdiagnosis(whole, ["age"])
    assert by_age["pValue"] > by_sex["pValue"] and by_age["excess"] < 0.1 and by_age["betweenSd"]["low"] < 0.05
    said = {one["reason"] for one in whole["leftOut"]}
    assert any(reason.startswith("neither thresholds nor rows of the split validation") for reason in said)
    report = (tmp_path / "out" / "report.html").read_text()
    assert "Groups against noise" in report and "pixels" not in report


def test_thresholds_come_from_validation_rows_which_are_not_measured(tmp_path):
    given = table()
    given["split"] = np.where(np.arange(600) % 4 < 2, "validate", "test")
    metrics = audit(tmp_path, given.to_csv(index=False).encode())
    whole = metrics["evaluations"][-1]
    assert whole["images"] == 300
    assert all(label["threshold"] != 0.5 for label in whole["labels"])


def test_a_label_may_be_unknown_and_a_score_a_logit(tmp_path):
    given = table()
    given["label:edema"] = given["label:edema"].astype(object)
    given.loc[:99, "label:edema"] = ""
    given["logit:edema"] = np.log(given["score:edema"] / (1 - given["score:edema"]))
    del given["score:edema"]
    found = read_predictions(given.to_csv(index=False).encode(), "p.csv")
    assert np.isnan(found.truth[:100, 1]).all() and np.isfinite(found.truth[100:, 1]).all()
    np.testing.assert_allclose(found.scores[:, 1], table()["score:edema"], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.drop(columns="patient"), "there is no column patient"),
        (lambda one: one.drop(columns="score:edema"), "label:edema has neither score:edema nor logit:edema"),
        (lambda one: one.drop(columns="label:edema"), "score:edema has no label:edema"),
        (lambda one: one[["patient"]], "there is no column label:NAME"),
        (lambda one: one.assign(**{"score:edema": 3.0}), r"score:edema is not in 0\.\.1; call the column logit:edema"),
        (lambda one: one.assign(**{"score:edema": "high"}), "score:edema has 600 values that are not numbers"),
        (lambda one: one.assign(**{"label:edema": -1}), "label:edema has values other than 0 and 1"),
        (lambda one: one.assign(patient=""), "patient is empty in some rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(change, message):
    with pytest.raises(UsageError, match=message):
        read_predictions(change(table()).to_csv(index=False).encode(), "p.csv")


def test_what_is_no_table_is_refused():
    with pytest.raises(UsageError, match="p.parquet is neither Parquet nor CSV"):
        read_predictions(b"PAR1 and then nothing", "p.parquet")


@pytest.fixture
def trained(tmp_path):
    """An evaluation of a small model on two sites."""
    sites = {name: site(tmp_path / name, 120, seed, name) for seed, name in enumerate(("a", "b"))}
    run(tmp_path, "Pretrain", "first", train={"data": [site(tmp_path / "real", 64, 5, "real")], "hyperparameters": HYPER})
    assert (tmp_path / "first" / "predictions.parquet").exists()
    models = [{"name": "first", "uri": str(tmp_path / "first" / "model.pt")}]
    run(tmp_path, "Evaluate", "evaluate", models=models, sites=[{"name": name, "uri": uri} for name, uri in sites.items()])
    return tmp_path / "evaluate", sites


def test_an_audit_of_an_evaluations_own_predictions_says_the_same(tmp_path, trained):
    """What evaluate wrote is audited to the same numbers, thresholds included, and names no patient."""
    folder, sites = trained
    evaluated = json.loads((folder / "metrics.json").read_text())
    data = (folder / "predictions.parquet").read_bytes()
    stored = parquet.read_table(io.BytesIO(data)).to_pandas()
    assert set(stored["site"]) == set(sites)
    assert stored["patient"].str.fullmatch("[0-9a-f]{16}").all() and stored["image"].str.endswith(".png").all()
    audited = audit(tmp_path, data, "predictions.parquet")
    assert len(audited["evaluations"]) == len(evaluated["evaluations"])
    for one, other in zip(audited["evaluations"], evaluated["evaluations"]):
        assert (one["model"], one["site"], one["images"], one["patients"]) == (other["model"], other["site"], other["images"], other["patients"])
        for label, expected in zip(one["labels"], other["labels"]):
            assert label["threshold"] == expected["threshold"]
            for name in ("auroc", "auprc", "sensitivity", "specificity", "brier"):
                assert label[name]["value"] == pytest.approx(expected[name]["value"], abs=1e-9)
        for mine, theirs in zip(one["disparities"], other["disparities"]):
            assert [cell["errors"] for cell in mine["cells"]] == [cell["errors"] for cell in theirs["cells"]]
            assert mine["gap"] is None or mine["gap"]["value"] == pytest.approx(theirs["gap"]["value"])
