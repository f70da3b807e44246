"""One optimizer step: that of plain PyTorch by default, and what each hyperparameter changes about it."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pandas
import pytest
import torch
from timm import layers
from timm.layers.grn import GlobalResponseNorm
from torch import nn
from torch._inductor.cpp_builder import cpp_compiler_search
from torch.nn import functional as F

from cohortfarm_trainer.data.augment import Augment
from cohortfarm_trainer.data.loader import Batch
from cohortfarm_trainer.distributed import Team
from cohortfarm_trainer.errors import TerminalError, UsageError
from cohortfarm_trainer.models import last_layer, make_model, normalise
from cohortfarm_trainer.training import learner as module
from cohortfarm_trainer.training.augment import augmented
from cohortfarm_trainer.training.compiler import check_compile
from cohortfarm_trainer.training.job import Job
from cohortfarm_trainer.training.learner import Learner, schedule
from cohortfarm_trainer.training.objective import GROUP_DRO, MEAN, REWEIGHTED, Objective

ALONE = Team(0, 1, torch.device("cpu"))
SIZE, POSITIVE = 32, torch.tensor([1.0, 2.0])


def learner(architecture: str = "cnn-small", objective: Objective | None = None, **hyper) -> Learner:
    class Fixed(Job):
        def objective(self) -> Objective:
            return objective or Objective(MEAN)

    return Learner(
        Fixed(
            name="x", store=None, prefix="", digest="", architecture=architecture, labels=("no-finding", "edema"), size=SIZE, seed=3, groups=(),
            validation=None, steps=10, learning_rate=0.01, patience=0, hyper={"precision": "float32", "weightDecay": 0.05, "flip": False, "rotation": 0, **hyper},
        ),
        ALONE,
    )  # fmt: skip


def batch(step: int, n: int = 12) -> Batch:
    rng = np.random.default_rng(step)
    labels = torch.from_numpy(rng.integers(0, 2, (n, 2)).astype(np.float32))
    labels[0, 1] = float("nan")
    images = torch.from_numpy(rng.integers(0, 256, (n, 1, SIZE, SIZE), np.uint8))
    groups = torch.from_numpy(rng.integers(0, 2, n))
    return Batch(images, labels, groups, torch.from_numpy(np.stack([Augment(3).draw(place) for place in range(n)])))


def stepped(own: Learner, steps: range = range(3)) -> list[float]:
    return [own.step(step, batch(step), POSITIVE) for step in steps]


def weights(own: Learner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in own.model.state_dict().items()}


def test_by_default_a_step_is_that_of_plain_pytorch_to_the_last_bit():
    own, losses = learner(), []
    net = make_model("cnn-small", 2, 3, SIZE)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.05)
    for step in range(3):
        images, labels = batch(step).images, batch(step).labels
        optimizer.param_groups[0]["lr"] = 0.01 * 0.5 * (1 + np.cos(np.pi * step / 10))
        known = torch.isfinite(labels)
        loss = (F.binary_cross_entropy_with_logits(net.train()(normalise(images)), labels.nan_to_num(), pos_weight=POSITIVE, reduction="none") * known).sum() / known.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert stepped(own) == pytest.approx(losses, rel=1e-6)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(own.model.state_dict()[name], value, rtol=1e-6, atol=1e-7)
    # Checkpoints of before have the same groups.
    assert len(own.optimizer.param_groups) == 1


@pytest.mark.parametrize("parts", [{}, {"microBatch": 5}])
def test_each_image_is_augmented_as_it_was_drawn(parts):
    own = learner(flip=True, rotation=15, augmentation={"gamma": 0.5, "noise": 0.1}, **parts)
    plain = batch(0)
    drawn = torch.from_numpy(np.stack([own.augment.draw(100 + place) for place in range(12)]))
    shown: list[torch.Tensor] = []
    own.model.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0].clone()))
    own.step(0, replace(plain, drawn=drawn), POSITIVE)
    expected = normalise(augmented(plain.images, drawn, own.augment))
    torch.testing.assert_close(torch.cat(shown), expected)
    assert (expected - normalise(plain.images)).abs().mean() > 0.1


@pytest.mark.parametrize("kind", [MEAN, REWEIGHTED, GROUP_DRO])
def test_a_step_in_parts_is_the_step(kind):
    groups = pandas.Series(list("aab"))
    found = []
    for hyper in ({}, {"microBatch": 5}, {"microBatch": 99}):
        objective = Objective(kind) if kind == MEAN else Objective(kind, groups, groups)
        own = learner("timm/test_convnext", objective, clipNorm=1e9, **hyper)
        whole = batch(0)
        loss = own.step(0, replace(whole, groups=whole.groups * (kind != MEAN)), POSITIVE)
        found.append((loss, weights(own), objective.shares))
    for loss, state, shares in found[1:]:
        # Of group DRO the weights of groups count from the next step on, so the loss of this one is that before they change.
        if kind != GROUP_DRO:
            assert loss == pytest.approx(found[0][0], rel=1e-5)
            for name, value in found[0][1].items():
                torch.testing.assert_close(state[name], value, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(shares, found[0][2])


def test_the_rate_rises_evenly_and_falls_by_the_cosine():
    assert [schedule(step, 10, 4) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert schedule(4, 10, 4) == 1 and schedule(7, 10, 4) == pytest.approx(0.5) and schedule(10, 10, 4) == 0
    assert [schedule(step, 8) for step in (0, 4, 8)] == [1, pytest.approx(0.5), 0]
    own = learner(warmupSteps=5)
    own.step(1, batch(1), POSITIVE)
    assert own.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 2 / 5)


@pytest.mark.parametrize("architecture", ["timm/test_vit", "resnet18"])
def test_layers_learn_slower_the_earlier_they_are(architecture):
    own = learner(architecture, layerDecay=0.5)
    own.step(0, batch(0), POSITIVE)
    place = {id(parameter): group for group in own.optimizer.param_groups for parameter in group["params"]}
    rates = [place[id(parameter)]["lr"] for parameter in own.model.parameters()]
    assert place[id(last_layer(own.model).weight)]["lr"] == pytest.approx(0.01)
    assert rates[0] == min(rates) < 0.01 * 0.5**3


def test_norms_and_biases_do_not_decay_where_they_are_not_asked_to():
    def decayed(own: Learner) -> set[str]:
        names = {id(parameter): name for name, parameter in own.model.named_parameters()}
        return {names[id(one)] for group in own.optimizer.param_groups if group["weight_decay"] > 0 for one in group["params"]}

    every = {name for name, _ in learner().model.named_parameters()}
    assert decayed(learner()) == every
    assert decayed(learner(decayNorms=False)) == {name for name in every if name.endswith("weight") and "features.1." not in name and not any(f"features.{i}." in name for i in (4, 7, 10, 13))}
    vit = learner("timm/test_vit")
    assert decayed(vit) == {name for name, parameter in vit.model.named_parameters() if parameter.ndim > 1} - set(vit.model.no_weight_decay())
    assert "blocks.0.norm1.weight" in decayed(learner("timm/test_vit", decayNorms=True))


def test_at_first_only_the_last_layer_learns():
    own = learner("timm/test_resnet", probeSteps=2)
    before = weights(own)
    stepped(own, range(2))
    probed = weights(own)
    assert {name for name in before if not torch.equal(before[name], probed[name])} == {"fc.weight", "fc.bias"}
    stepped(own, range(2, 4))
    after = weights(own)
    assert not torch.equal(probed["conv1.0.weight"], after["conv1.0.weight"]) and not torch.equal(probed["bn1.running_mean"], after["bn1.running_mean"])


def test_norms_that_are_frozen_stay_as_they_are():
    own = learner("timm/test_resnet", freezeNorms=True)
    before = weights(own)
    stepped(own)
    changed = {name for name, value in weights(own).items() if not torch.equal(before[name], value)}
    assert changed and not any("bn" in name or "running" in name for name in changed)


def test_no_norm_of_timm_is_forgotten():
    """All that timm calls a norm and that has weights or statistics, but for parts made of other layers."""
    found = {one for one in (*vars(layers).values(), GlobalResponseNorm) if isinstance(one, type) and issubclass(one, nn.Module) and "Norm" in one.__name__}
    composed = {"NormMlpClassifierHead", "ClNormMlpClassifierHead", "ConvNormAct", "ConvNormActAa", "SeparableConvNormAct", "GlobalResponseNormMlp"}
    assert {one.__name__ for one in found if not issubclass(one, module.NORMS)} <= composed
    assert len(found) > 30


def test_a_network_without_norms_has_none_to_freeze():
    own = learner("timm/test_vit4", freezeNorms=True)
    assert any(isinstance(one, layers.RmsNorm) for one in own.frozen)
    with pytest.raises(UsageError, match="^hyperparameters.freezeNorms: timm/test_nfnet has no norms to freeze; leave it out$"):
        learner("timm/test_nfnet", freezeNorms=True)


def test_a_gradient_is_no_longer_than_it_may_be(monkeypatch):
    lengths = []
    clip = nn.utils.clip_grad_norm_
    monkeypatch.setattr(module.nn.utils, "clip_grad_norm_", lambda parameters, most: (clip(parameters, most), lengths.append(torch.cat([one.grad.flatten() for one in parameters]).norm().item())))
    stepped(learner(clipNorm=0.01))
    assert lengths == pytest.approx([0.01] * 3, rel=1e-3)


def test_the_moving_average_is_what_is_measured():
    own = learner(ema=0.5)
    average = None
    for step in range(4):
        own.step(step, batch(step), POSITIVE)
        value = own.model.state_dict()["classifier.weight"]
        # timm's: the first one as it is, then rising to the decay.
        decay = 0.0 if step == 0 else min(0.5, 1 - (1 + step) ** (-2 / 3))
        average = value.clone() if average is None else decay * average + (1 - decay) * value
    assert own.measured is not own.model
    torch.testing.assert_close(own.measured.state_dict()["classifier.weight"], average)
    other = learner(ema=0.5)
    other.load(copy.deepcopy(own.state()))
    assert own.step(4, batch(4), POSITIVE) == other.step(4, batch(4), POSITIVE)
    assert all(torch.equal(value, other.measured.state_dict()[name]) for name, value in own.measured.state_dict().items())


def test_a_run_that_resumes_drops_what_it_would_have_dropped(monkeypatch):
    build = module.make_model
    monkeypatch.setattr(module, "make_model", lambda *given: nn.Sequential(nn.Dropout(0.5), build(*given)))
    whole, first, rest = learner(), learner(), learner()
    losses = stepped(whole, range(4))
    stepped(first, range(2))
    torch.manual_seed(99)
    rest.load(copy.deepcopy(first.state()))
    assert stepped(rest, range(2, 4)) == losses[2:]
    assert whole.step(4, batch(0), POSITIVE) != whole.step(5, batch(0), POSITIVE)


def test_how_it_is_computed_changes_little_of_the_result(monkeypatch):
    # As inductor takes the graph, without the minute that its C++ compiler takes.
    monkeypatch.setattr(module.torch, "compile", partial(torch.compile, backend="aot_eager"))
    plain = learner()
    losses = stepped(plain, range(2))
    for hyper in ({"channelsLast": True}, {"deterministic": True}, {"compile": True}):
        own = learner(**hyper)
        assert stepped(own, range(2)) == pytest.approx(losses, rel=1e-3), hyper
        assert torch.are_deterministic_algorithms_enabled() == ("deterministic" in hyper)
        assert set(own.state()["model"]) == set(plain.state()["model"])
    learner()
    assert not torch.are_deterministic_algorithms_enabled()
    assert stepped(learner(precision="bfloat16"), range(2)) == pytest.approx(stepped(learner(), range(2)), rel=0.05)


def test_compile_is_refused_where_there_is_no_compiler(monkeypatch, tmp_path):
    """As in an image without one, and as a user without a name or a folder to write to."""
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    check_compile({"compile": True}, cuda)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/proc/none")
    with pytest.raises(TerminalError, match="no folder .*; name one that can be written in TORCHINDUCTOR_CACHE_DIR"):
        check_compile({"compile": True}, cpu)
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    cpp_compiler_search.cache_clear()
    check_compile({}, cuda)
    with pytest.raises(TerminalError, match=r"^hyperparameters.compile: true cannot work here: it finds no C\+\+ compiler; install g\+\+ .*, or leave compile out$"):
        check_compile({"compile": True}, cpu)
