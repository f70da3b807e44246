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

from ..data.images import CACHE
from ..data.loader import TrainingBatches, training_loader
from ..distributed import Team
from ..errors import StoppedError, TerminalError, UsageError
from ..models import last_layer
from ..progress import Progress
from .checkpoint import load_checkpoint, save_checkpoint
from .events import Scalar, event_file, events_key, loss_scalars
from .job import Job, positive_weights
from .learner import Learner
from .predict import Predictor


@dataclass
class Standing:
    """How far a run is: all of it goes into the checkpoint."""

    step: int = 0
    best_loss: float = math.inf  # or minus the best AUROC, where weights are selected by that
    best_step: int = 0
    worse: int = 0  # validations since the best one
    seconds: float = 0.0
    resumed: int = 0
    losses: list[float] = field(default_factory=list)  # of the steps since the last validation
    since: float = field(default_factory=time.time)  # when that was, or when the run began
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
        self.learner = Learner(job, team)
        self.best = _copy(self.learner.model)
        self.standing = self._go_on()
        self.weights = positive_weights(job.groups) if job.hyper["classWeights"] else np.ones(len(job.labels), np.float32)
        self.positive = torch.from_numpy(self.weights).to(team.device)
        self.validation = Predictor(job.validation, job.size, team, job.workers, job.fit)
        self.interval = job.interval
        self.saved = time.monotonic()

    def _go_on(self) -> Standing:
        stored = load_checkpoint(self.job)
        if stored is None:
            return Standing()
        self.learner.load(stored)
        self.best = stored["best"]
        standing = Standing(**stored["standing"])
        standing.resumed += 1
        return standing

    def to_end(self) -> Trained:
        job, team, standing = self.job, self.team, self.standing
        progress = Progress(job.name, job.steps, standing.step, team.leads)
        if standing.resumed:
            progress.note(f"resumes from the checkpoint of step {standing.step}")
        begun, before = time.monotonic(), standing.seconds
        for batch in self._batches():
            if self._finished():
                break
            self.validation.begin()  # once all processes that load images were forked: a thread would not outlive that
            loss = self.learner.step(standing.step, batch, self.positive)
            standing.losses.append(loss)
            standing.step += 1
            standing.seconds = before + time.monotonic() - begun
            if standing.step % self.interval == 0 or standing.step == job.steps:
                progress.note(self._validate())
            progress.step(f"loss {loss:.4f}")
            self._checkpoint()
        progress.end()
        if standing.step == 0:
            self._validate()
        self._save()
        return self._result()

    def _batches(self):
        job, team = self.job, self.team
        steps = range(self.standing.step, job.steps)
        groups = [replace(job.groups[0], groups=self.learner.objective.train), *job.groups[1:]]
        batches = TrainingBatches(groups, job.size, steps, self.learner.augment, job.seed, team.rank, team.world, job.fit, CACHE // max(1, job.workers))
        return training_loader(batches, job.workers, team.device.type == "cuda")

    def _finished(self) -> bool:
        """Whether it stops early: no validation was better, as selectBy judges, for long."""
        return self.job.patience > 0 and self.standing.worse >= self.job.patience

    def _validate(self) -> str:
        """Measures on the validation images, keeps the weights if they are the best; a line for the log."""
        standing, learner, labels = self.standing, self.learner, self.job.validation.labels
        self.team.share_buffers(learner.measured)
        logits = self.validation.logits(learner.measured, learner.dtype)
        loss = learner.objective.measured(torch.from_numpy(logits), torch.from_numpy(labels), self.positive.cpu())
        if not math.isfinite(loss):
            raise TerminalError(f"the loss is not a number at step {standing.step}; lower the learning rate")
        auroc = quick_auroc(logits, labels)
        judged = loss if self.job.hyper.get("selectBy") != "Auroc" else -_known(auroc)
        if judged < standing.best_loss:
            standing.best_loss, standing.best_step, standing.worse = judged, standing.step, 0
            self.best = _copy(learner.measured)
        else:
            standing.worse += 1
        entry = {
            "step": standing.step,
            "trainLoss": float(np.mean(standing.losses)) if standing.losses else None,
            "validationLoss": loss,
            "validationAuroc": auroc,
            "learningRate": learner.rate(standing.step),
        }
        standing.history.append(entry)
        self._write_events(entry)
        shown = "" if auroc is None else f", AUROC {auroc:.4f}"
        return f"step {standing.step} of {self.job.steps}, validation loss {loss:.4f}{shown}"

    def _write_events(self, entry: dict[str, Any]) -> None:
        """What happened since the last validation, for TensorBoard."""
        standing, now = self.standing, time.time()
        losses = loss_scalars(standing.losses, standing.step, standing.since, now)
        standing.losses, standing.since = [], now
        if not self.team.leads:
            return
        scalars = [
            *losses,
            *(Scalar("train/learning_rate", one.step, one.time, self.learner.rate(one.step)) for one in losses),
            Scalar("validation/loss", standing.step, now, entry["validationLoss"]),
        ]
        if entry["validationAuroc"] is not None:
            scalars.append(Scalar("validation/auroc", standing.step, now, entry["validationAuroc"]))
        self.job.store.put(self.job.prefix + events_key(self.job.digest, standing.step), event_file(scalars))

    def _checkpoint(self) -> None:
        """Saves now and then; all processes stop together when one of them is asked to."""
        if self.team.any(self.stopping()):
            self._save()
            raise StoppedError(f"stopped at step {self.standing.step}; run it again to resume from there")
        if self.team.leads and time.monotonic() - self.saved >= self.job.hyper["checkpointSeconds"]:
            self._save()

    def _save(self) -> None:
        if self.team.leads:
            state = {**self.learner.state(), "best": self.best, "standing": vars(self.standing)}
            save_checkpoint(self.job, state)
            self.saved = time.monotonic()

    def _result(self) -> Trained:
        model = self.learner.model
        model.load_state_dict(self.best)
        correct_prior(model, self.weights)
        logits = self.validation.logits(model, self.learner.dtype)
        model.to("cpu", memory_format=torch.contiguous_format)
        return Trained(model.requires_grad_(True).eval(), self.standing, self._finished(), logits)


def _known(auroc: float | None) -> float:
    if auroc is None:
        raise UsageError("selectBy: Auroc needs validation images with and without a finding; take Loss, or more images")
    return auroc


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
