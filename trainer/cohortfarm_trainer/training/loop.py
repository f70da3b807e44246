"""Optimizer steps from a checkpoint to the end, with validation on the way."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..data.augment import Augment
from ..data.loader import TrainingBatches, training_loader
from ..distributed import Team
from ..errors import StoppedError, TerminalError
from ..models import last_layer, load_weights, make_model, normalise
from ..progress import Progress
from .checkpoint import load_checkpoint, save_checkpoint
from .job import Job, epoch_steps, positive_weights
from .predict import Predictor


@dataclass
class Standing:
    """How far a run is: all of it goes into the checkpoint."""

    step: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    worse: int = 0  # validations since the best one
    seconds: float = 0.0
    resumed: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Trained:
    """What a run leaves: the network with the weights of its best step, on the CPU, and its story."""

    model: nn.Module
    standing: Standing
    stopped_early: bool
    validation_logits: np.ndarray  # float32 [n, labels]


def train(job: Job, team: Team, stopping: Callable[[], bool]) -> Trained:
    """Trains, or resumes training, to the last step. Raises StoppedError after a checkpoint when `stopping` says so."""
    return _Run(job, team, stopping).to_end()


class _Run:
    def __init__(self, job: Job, team: Team, stopping: Callable[[], bool]):
        self.job, self.team, self.stopping = job, team, stopping
        self.dtype, scaled = precision_of(job.hyper["precision"], team.device)
        self.model = make_model(job.architecture, len(job.labels), job.seed)
        if job.weights is not None:
            load_weights(self.model, job.weights.data, job.weights.what, list(job.labels))
        self.model.to(team.device)
        self.best = _copy(self.model)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=job.learning_rate, weight_decay=job.hyper["weightDecay"]
        )
        self.scaler = torch.amp.GradScaler(team.device.type, enabled=scaled)
        self.objective = job.objective()
        self.standing = self._go_on()
        self.weights = positive_weights(job.groups) if job.hyper["classWeights"] else np.ones(len(job.labels), np.float32)
        self.positive = torch.from_numpy(self.weights).to(team.device)
        self.validation = Predictor(job.validation, job.size, team, job.hyper["loaderWorkers"], job.fit)
        largest = max(job.groups, key=lambda group: group.rate)
        self.interval = job.hyper.get("validateSteps") or epoch_steps(len(largest.records), largest.rate)
        self.saved = time.monotonic()
        self.losses: list[float] = []

    def _go_on(self) -> Standing:
        stored = load_checkpoint(self.job)
        if stored is None:
            return Standing()
        self.model.load_state_dict(stored["model"])
        self.best = stored["best"]
        self.optimizer.load_state_dict(stored["optimizer"])
        self.scaler.load_state_dict(stored["scaler"])
        self.objective.shares = stored.get("shares", self.objective.shares)
        standing = Standing(**stored["standing"])
        standing.resumed += 1
        return standing

    def to_end(self) -> Trained:
        job, team, standing = self.job, self.team, self.standing
        progress = Progress(job.name, job.steps, standing.step, team.leads)
        if standing.resumed:
            progress.note(f"goes on from the checkpoint of step {standing.step}")
        begun, before = time.monotonic(), standing.seconds
        net = DistributedDataParallel(self.model) if team.world > 1 else self.model
        for images, labels, groups in self._batches():
            if self._finished():
                break
            self.losses.append(self._step(net, images, labels, groups))
            standing.step += 1
            standing.seconds = before + time.monotonic() - begun
            if standing.step % self.interval == 0 or standing.step == job.steps:
                progress.note(self._validate())
            progress.step(f"loss {self.losses[-1]:.4f}" if self.losses else "")
            self._checkpoint()
        progress.end()
        if standing.step == 0:
            self._validate()
        self._save()
        return self._result()

    def _batches(self):
        job, team = self.job, self.team
        augment = Augment(job.hyper["flip"], job.hyper["rotation"], job.seed)
        steps = range(self.standing.step, job.steps)
        groups = [replace(job.groups[0], groups=self.objective.train), *job.groups[1:]]
        batches = TrainingBatches(groups, job.size, steps, augment, job.seed, team.rank, team.world, job.fit)
        return training_loader(batches, job.hyper["loaderWorkers"], team.device.type == "cuda")

    def _finished(self) -> bool:
        """Whether it stops early: no validation loss was lower for long."""
        return self.job.patience > 0 and self.standing.worse >= self.job.patience

    def _step(self, net: nn.Module, images: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor) -> float:
        """One optimizer step on uint8 [b, 1, h, w], float32 [b, labels] and int64 [b]; its loss."""
        device = self.team.device
        rate = self.job.learning_rate * cosine(self.standing.step, self.job.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        net.train()
        inputs = normalise(images.to(device, non_blocking=True))
        with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = net(inputs)
        known = labels.to(device, non_blocking=True)
        own, loss = self.objective.shared(logits.float(), known, self.positive, groups, self.team)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(own).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def _validate(self) -> str:
        """Measures on the validation images, keeps the weights if they are the best; a line for the log."""
        standing, labels = self.standing, self.job.validation.labels
        self.team.share_buffers(self.model)
        logits = self.validation.logits(self.model, self.dtype)
        loss = self.objective.measured(torch.from_numpy(logits), torch.from_numpy(labels), self.positive.cpu())
        if not math.isfinite(loss):
            raise TerminalError(f"the loss is not a number at step {standing.step}; lower the learning rate")
        if loss < standing.best_loss:
            standing.best_loss, standing.best_step, standing.worse = loss, standing.step, 0
            self.best = _copy(self.model)
        else:
            standing.worse += 1
        auroc = quick_auroc(logits, labels)
        mean = float(np.mean(self.losses)) if self.losses else None
        self.losses = []
        standing.history.append(
            {
                "step": standing.step,
                "trainLoss": mean,
                "validationLoss": loss,
                "validationAuroc": auroc,
                "learningRate": self.job.learning_rate * cosine(standing.step, self.job.steps),
            }
        )
        shown = "" if auroc is None else f", AUROC {auroc:.4f}"
        return f"step {standing.step} of {self.job.steps}, validation loss {loss:.4f}{shown}"

    def _checkpoint(self) -> None:
        """Saves now and then; all processes stop together when one of them is asked to."""
        if self.team.any(self.stopping()):
            self._save()
            raise StoppedError(f"stopped at step {self.standing.step}; run it again to go on from there")
        if self.team.leads and time.monotonic() - self.saved >= self.job.hyper["checkpointSeconds"]:
            self._save()

    def _save(self) -> None:
        if self.team.leads:
            state = {
                "model": self.model.state_dict(),
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "shares": self.objective.shares,
                "standing": vars(self.standing),
            }
            save_checkpoint(self.job, state)
            self.saved = time.monotonic()

    def _result(self) -> Trained:
        self.model.load_state_dict(self.best)
        correct_prior(self.model, self.weights)
        logits = self.validation.logits(self.model, self.dtype)
        return Trained(self.model.cpu().eval(), self.standing, self._finished(), logits)


def precision_of(name: str, device: torch.device) -> tuple[torch.dtype, bool]:
    """The type to compute in, and whether gradients have to be scaled for it."""
    if name == "auto":
        wide = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float16"
        name = wide if device.type == "cuda" else "float32"
    return getattr(torch, name), name == "float16"


def cosine(step: int, steps: int) -> float:
    """The schedule: from 1 down to 0 in half a wave."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps))))


@torch.no_grad()
def correct_prior(model: nn.Module, weights: np.ndarray) -> None:
    """Takes back what weighing positives by w did to the odds, log w in the last bias: probabilities mean what they say."""
    layer = last_layer(model)
    layer.bias -= torch.from_numpy(np.log(weights)).to(layer.bias.device)


def quick_auroc(logits: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean over the labels that both kinds are known of."""
    scores = []
    for column, truth in zip(logits.T, labels.T):
        known = np.isfinite(truth)
        if len(np.unique(truth[known])) == 2:
            scores.append(roc_auc_score(truth[known], column[known]))
    return float(np.mean(scores)) if scores else None


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
