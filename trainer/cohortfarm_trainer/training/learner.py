"""The network of a run, and what an optimizer step does to it."""

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from timm import layers
from timm.layers.grn import GlobalResponseNorm
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..data.augment import augment_of
from ..data.loader import Batch
from ..distributed import Team
from ..errors import UsageError
from ..models import last_layers, load_weights, make_model, normalise
from ..timm_models import made
from .augment import augmented
from .job import Job

NORMS = (
    nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm,
    # timm's own, which have no common base.
    layers.RmsNorm, layers.RmsNorm2d, layers.SimpleNorm, layers.SimpleNorm2d, GlobalResponseNorm,
    layers.RmsNormFp32, layers.RmsNorm2dFp32, layers.SimpleNormFp32, layers.SimpleNorm2dFp32,
    layers.EvoNorm2dB0, layers.EvoNorm2dB1, layers.EvoNorm2dB2, layers.EvoNorm2dS0, layers.EvoNorm2dS1, layers.EvoNorm2dS2,
    layers.FilterResponseNormTlu2d, layers.FilterResponseNormAct2d, layers.FrozenBatchNormAct2d, layers.InplaceAbn,
)  # fmt: skip


class Learner:
    """Network, optimizer and, where the job asks for one, the moving average of the weights."""

    def __init__(self, job: Job, team: Team):
        self.job, self.team, hyper = job, team, job.hyper
        take_kernels(hyper.get("deterministic", False))
        self.dtype, scaled = precision_of(hyper["precision"], team.device)
        self.layout = torch.channels_last if hyper.get("channelsLast") else torch.contiguous_format
        self.model = make_model(job.architecture, len(job.labels), job.seed, job.size)
        if job.weights is not None:
            load_weights(self.model, job.weights.data, job.weights.what, list(job.labels))
        self.model.to(team.device, memory_format=self.layout)
        self.frozen = [module for module in self.model.modules() if isinstance(module, NORMS)] if hyper.get("freezeNorms") else []
        if hyper.get("freezeNorms") and not self.frozen:
            raise UsageError(f"hyperparameters.freezeNorms: {job.architecture} has no norms to freeze; leave it out")
        for norm in self.frozen:
            norm.requires_grad_(False)
        self.learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = create_optimizer_v2(
            getattr(self.model, "net", self.model),
            "adamw",
            lr=job.learning_rate,
            weight_decay=hyper["weightDecay"],
            filter_bias_and_bn=not hyper.get("decayNorms", not made(self.model)),
            layer_decay=hyper.get("layerDecay"),
        )
        self.scaler = torch.amp.GradScaler(team.device.type, enabled=scaled)
        self.ema = ModelEmaV3(self.model, hyper["ema"], use_warmup=True) if "ema" in hyper else None
        self.objective = job.objective()
        self.augment = augment_of(hyper, job.seed)
        self._wrapped: dict[bool, nn.Module] = {}

    @property
    def measured(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.model if self.ema is None else self.ema.module

    def state(self) -> dict[str, Any]:
        """All that a checkpoint needs."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "shares": self.objective.shares,
            **({} if self.ema is None else {"ema": self.ema.module.state_dict()}),
        }

    def load(self, stored: dict[str, Any]) -> None:
        self.model.load_state_dict(stored["model"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.scaler.load_state_dict(stored["scaler"])
        self.objective.shares = stored.get("shares", self.objective.shares)
        if self.ema is not None:
            self.ema.module.load_state_dict(stored["ema"])

    def rate(self, step: int) -> float:
        """The learning rate of the last layer at a step."""
        return self.job.learning_rate * schedule(step, self.job.steps, self.job.hyper.get("warmupSteps", 0))

    def step(self, step: int, batch: Batch, positive: torch.Tensor) -> float:
        """One optimizer step on the images of this process; the loss of those of all. `positive` float32 [labels] weighs findings."""
        hyper, rate = self.job.hyper, self.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        # What a network drops follows from the step alone, so that a run that resumes drops the same.
        torch.manual_seed(int(np.random.default_rng([self.job.seed, step, self.team.rank]).integers(2**63)))
        net = self._net(step < hyper.get("probeSteps", 0))
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._gradients(net, batch, positive)
        if "clipNorm" in hyper:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.learned, hyper["clipNorm"])
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(self.model, step + 1)
        return loss

    def _gradients(self, net: nn.Module, batch: Batch, positive: torch.Tensor) -> float:
        """Adds up the gradients of a step, as many images at once as the job says; the loss of all processes."""
        device, at_once = self.team.device, self.job.hyper.get("microBatch")
        if at_once is None:
            logits = self._logits(net, batch.images, batch.drawn)
            own, loss = self.objective.shared(logits, batch.labels.to(device, non_blocking=True), positive, batch.groups, self.team)
            self.scaler.scale(own).backward()
            return loss
        labels, groups = batch.labels, batch.groups
        known = self.objective.known(labels, groups, self.team)
        total = torch.zeros_like(known)
        for last, part in _parts(len(labels), at_once):
            # Gradients are exchanged once, with those of the last part.
            net.require_backward_grad_sync = last
            sums = self.objective.sums(self._logits(net, batch.images[part], batch.drawn[part]), labels[part].to(device), positive, groups[part])
            self.scaler.scale((self.objective.factors(known) * sums[0]).sum() * self.team.world).backward()
            total += sums[0].detach()
        return self.objective.settled(self.team.sum(total), known)

    def _logits(self, net: nn.Module, images: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        images = augmented(images.to(self.team.device, non_blocking=True), drawn, self.augment)
        inputs = normalise(images).to(memory_format=self.layout)
        with torch.autocast(self.team.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return net(inputs).float()

    def _net(self, probing: bool) -> nn.Module:
        """The network as it learns: all of it, or its last layers alone while the rest stays as it is measured."""
        self.model.train(not probing)
        for norm in self.frozen:
            norm.eval()
        if probing not in self._wrapped:
            head = {parameter for layer in last_layers(self.model) for parameter in layer.parameters()}
            for parameter in self.learned:
                parameter.requires_grad_(not probing or parameter in head)
            net = torch.compile(self.model) if self.job.hyper.get("compile") else self.model
            # Which parameters have gradients is settled when processes first exchange them.
            self._wrapped = {probing: DistributedDataParallel(net) if self.team.world > 1 else net}
        return self._wrapped[probing]


def _parts(n: int, at_once: int) -> Iterator[tuple[bool, slice]]:
    """Slices of n images in order, and whether each is the last one."""
    for first in range(0, n, at_once):
        yield first + at_once >= n, slice(first, first + at_once)


def take_kernels(deterministic: bool) -> None:
    """Whether only kernels run that give the same result each time."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA first multiplies
    torch.use_deterministic_algorithms(deterministic)


def precision_of(name: str, device: torch.device) -> tuple[torch.dtype, bool]:
    """The type to compute in, and whether gradients have to be scaled for it."""
    if name == "auto":
        wide = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float16"
        name = wide if device.type == "cuda" else "float32"
    return getattr(torch, name), name == "float16"


def schedule(step: int, steps: int, warmup: int = 0) -> float:
    """Up to 1 in `warmup` even steps, and down to 0 in half a wave of the cosine."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
