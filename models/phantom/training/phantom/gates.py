"""The four gates: small convolutional judges of sex, age, race and finding, trained on phantoms only."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional as F

from .data import MEAN, STD, Phantoms, lr_factor, round_to_half, seed_torch
from .people import FINDINGS, RACES, SEXES
from .vae import encode, to_films

BATCH, LEARNING_RATE = 64, 2e-3
AGE_MIDDLE, AGE_SPREAD = 54.0, 21.0  # years; the regressor's last layer works in these units


@dataclass(frozen=True)
class Gate:
    """What one gate answers."""

    name: str
    kind: str  # Classifier or Regressor
    activation: str  # softmax, sigmoid or identity
    classes: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        return max(1, len(self.classes))


GATES = (
    Gate("sex", "Classifier", "softmax", SEXES),
    Gate("age", "Regressor", "identity"),
    Gate("race", "Classifier", "softmax", RACES),
    Gate("finding", "Classifier", "sigmoid", FINDINGS),
)


class GateNet(nn.Module):
    """float32 [n, 1, 128, 128], normalised -> logits [n, classes], or years [n, 1] for the regressor."""

    def __init__(self, gate: Gate):
        super().__init__()
        layers, before = [], 1
        for width, stride in ((12, 2), (24, 2), (48, 2), (64, 2), (64, 1)):
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.features = nn.Sequential(*layers, nn.AvgPool2d(2))  # [n, 64, 4, 4]
        self.answer = nn.Linear(before * 16, gate.outputs)
        self.years = gate.kind == "Regressor"

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        out = self.answer(self.features(image).flatten(1))
        return out * AGE_SPREAD + AGE_MIDDLE if self.years else out


def wanted(gate: Gate, data: Phantoms) -> torch.Tensor:
    """Training targets: class index int64 [n], multi-label float32 [n, 4], or years float32 [n]."""
    if gate.name == "sex":
        return torch.tensor([SEXES.index(person.sex) for person in data.people])
    if gate.name == "race":
        return torch.tensor([RACES.index(person.race) for person in data.people])
    if gate.name == "age":
        return torch.tensor([float(person.age) for person in data.people])
    return torch.from_numpy(np.stack([person.labels for person in data.people]))


def loss_of(gate: Gate, out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if gate.name == "age":
        return F.smooth_l1_loss(out[:, 0] / AGE_SPREAD, target / AGE_SPREAD, beta=0.2)
    if gate.name == "finding":
        return F.binary_cross_entropy_with_logits(out, target)
    return F.cross_entropy(out, target, label_smoothing=0.02)


def normalise(films: np.ndarray | torch.Tensor) -> torch.Tensor:
    """uint8 [n, 128, 128] -> float32 [n, 1, 128, 128], (grey / 255 - mean) / std."""
    return (torch.as_tensor(films).unsqueeze(1).float() / 255 - MEAN) / STD


@torch.no_grad()
def decoded(vae: AutoencoderKL, data: Phantoms, batch: int = 16) -> np.ndarray:
    """The films as the decoder draws them, from latents with a little noise: uint8 [n, 128, 128]."""
    latents = encode(vae, data.films, batch)
    amount = 0.25 * torch.rand(len(latents), 1, 1, 1) / vae.config.scaling_factor
    latents = latents + amount * torch.randn_like(latents)
    return torch.cat([to_films(vae.decode(part).sample) for part in latents.split(batch)]).numpy()


def augment(films: torch.Tensor) -> torch.Tensor:
    """Random shift, stretch, contrast, brightness, blur and noise; normalised float32 [n, 1, 128, 128] in and out."""
    n = len(films)
    grid = torch.zeros(n, 2, 3)
    grid[:, 0, 0] = 1 + 0.04 * torch.randn(n)
    grid[:, 1, 1] = 1 + 0.04 * torch.randn(n)
    grid[:, :, 2] = 0.05 * torch.randn(n, 2)
    size = [n, 1, *films.shape[2:]]
    films = F.grid_sample(films, F.affine_grid(grid, size, align_corners=False), "bilinear", "border", align_corners=False)
    films = films * (1 + 0.12 * torch.randn(n, 1, 1, 1)) + 0.15 * torch.randn(n, 1, 1, 1)
    blurred = F.avg_pool2d(films, 3, 1, 1, count_include_pad=False)
    films = torch.lerp(films, blurred, torch.rand(n, 1, 1, 1))
    return films + 0.15 * torch.rand(n, 1, 1, 1) * torch.randn_like(films)


def train_gate(gate: Gate, data: Phantoms, drawn: np.ndarray, steps: int, log=print) -> GateNet:
    """One gate on a mixture of rendered films and the same films as the decoder draws them (`drawn`)."""
    seed_torch(f"gate {gate.name}")
    net, target, start = GateNet(gate), wanted(gate, data), time.time()
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    sources = torch.from_numpy(np.stack([data.films, drawn]))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * lr_factor(step, steps, 50)
        chosen = torch.randint(len(target), (BATCH,))
        films = sources[torch.randint(2, (BATCH,)), chosen]
        loss = loss_of(gate, net(augment(normalise(films))), target[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 200 == 0 or step == steps - 1:
            log(f"gate {gate.name} {step:4d} loss {loss.item():.4f} {time.time() - start:.0f} s")
    net.eval()
    fuse_norms(net)
    round_to_half(net)
    return net


@torch.no_grad()
def fuse_norms(net: GateNet) -> None:
    """Folds each batch norm into the convolution before it, so that the exported graph has none."""
    fused = []
    for layer in net.features:
        if isinstance(layer, nn.BatchNorm2d):
            fused[-1] = nn.utils.fusion.fuse_conv_bn_eval(fused[-1], layer)
        else:
            fused.append(layer)
    net.features = nn.Sequential(*fused)


@torch.no_grad()
def answer(net: GateNet, films: np.ndarray, batch: int = 128) -> np.ndarray:
    """The gate's raw outputs for uint8 films: float32 [n, outputs]."""
    return torch.cat([net(normalise(films[i : i + batch])) for i in range(0, len(films), batch)]).numpy()


def accepts(gate: Gate, out: np.ndarray, people, tolerance: float) -> np.ndarray:
    """The worker's verdicts, bool [n]: probability of the wanted class at least 0.5; age within `tolerance` years."""
    if gate.name == "age":
        return np.abs(out[:, 0] - np.array([person.age for person in people])) <= tolerance
    index = np.array([gate.classes.index(axis_value(gate.name, person)) for person in people])
    logits = out[np.arange(len(out)), index]
    if gate.activation == "sigmoid":
        return logits >= 0
    return np.exp(logits - np.logaddexp.reduce(out, axis=1)) >= 0.5


def axis_value(axis: str, person) -> str:
    """The person's value on a classifier's axis (the first finding, in the order of FINDINGS, if there are several)."""
    if axis == "finding":
        return FINDINGS[int(np.argmax(person.labels))]
    return getattr(person, axis)
