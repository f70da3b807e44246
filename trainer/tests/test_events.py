"""Event files, read by TensorBoard's own reader: whole, once each, whatever happens on the way."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cohortfarm_trainer.config import check_config
from cohortfarm_trainer.distributed import join_team
from cohortfarm_trainer.errors import StoppedError
from cohortfarm_trainer.stages.context import Context
from cohortfarm_trainer.stages.train import train_stage
from cohortfarm_trainer.training.events import Scalar, event_file, loss_scalars
from test_runs import HYPER, site, stage_config


def scalars_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = EventAccumulator(str(folder))
    reader.Reload()
    return {tag: [(one.step, one.value) for one in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def the_run(output: Path) -> Path:
    [folder] = (output / "events").iterdir()
    return folder


class KilledError(Exception):
    """What SIGKILL leaves: no checkpoint of this moment."""


def interrupted(config: dict, step: int, error: type[Exception] | None = None) -> None:
    """Runs until the step, and ends there with a checkpoint, or with an error and none."""
    steps = iter(range(1, 1000))

    def stopping() -> bool:
        if next(steps) < step:
            return False
        if error:
            raise error
        return True

    with pytest.raises(error or StoppedError):
        train_stage(Context(config, join_team(), stopping))


def test_a_run_that_was_stopped_and_killed_leaves_the_events_of_one_that_was_not(tmp_path):
    data = {"data": [site(tmp_path / "real", 64, 1, "r")], "hyperparameters": {**HYPER, "steps": 24, "warmupSteps": 6}}
    metrics = {}
    for name in ("whole", "killed"):
        config = check_config(stage_config(tmp_path, "Pretrain", name, train=data), "pretrain")
        if name == "killed":
            interrupted(config, 6)
            # Events of the steps 8 and 12 are there, and the checkpoint is that of step 6.
            interrupted(config, 14 - 6, KilledError)
            assert len(list(the_run(tmp_path / name).iterdir())) == 3
        metrics[name] = train_stage(Context(config, join_team(), lambda: False))["training"]
    assert metrics["killed"]["resumed"] == 1
    found = scalars_of(the_run(tmp_path / "killed"))
    assert found == scalars_of(the_run(tmp_path / "whole"))
    assert sorted(found) == ["train/learning_rate", "train/loss", "validation/auroc", "validation/loss"]
    assert [step for step, _ in found["train/loss"]] == list(range(1, 25))
    history = metrics["whole"]["history"]
    assert [step for step, _ in found["validation/loss"]] == [one["step"] for one in history] == [4, 8, 12, 16, 20, 24]
    for tag, name in (("validation/loss", "validationLoss"), ("validation/auroc", "validationAuroc")):
        assert [value for _, value in found[tag]] == pytest.approx([one[name] for one in history], rel=1e-6)
    # Another config has events of its own.
    other = stage_config(tmp_path, "Pretrain", "whole", train={**data, "hyperparameters": {**HYPER, "steps": 4}})
    train_stage(Context(check_config(other, "pretrain"), join_team(), lambda: False))
    runs = sorted((tmp_path / "whole" / "events").iterdir(), key=lambda folder: len(list(folder.iterdir())))
    assert [[step for step, _ in scalars_of(folder)["validation/loss"]] for folder in runs] == [[4], [4, 8, 12, 16, 20, 24]]


def test_many_steps_between_validations_are_points_of_their_means(tmp_path):
    points = loss_scalars([float(i) for i in range(250)], 1250, 100.0, 200.0)
    assert len(points) == 84 and points[0] == Scalar("train/loss", 1003, 101.2, 1.0) and points[-1] == Scalar("train/loss", 1250, 200.0, 249.0)
    assert loss_scalars([], 0, 1.0, 2.0) == []
    (tmp_path / "events.out.tfevents.0").write_bytes(event_file(points))
    reader = EventAccumulator(str(tmp_path))
    reader.Reload()
    assert [(one.step, one.wall_time, one.value) for one in reader.Scalars("train/loss")] == [(one.step, one.time, one.value) for one in points]
