"""The encoder: 64 features of a film that differ between phantoms, for the distances and metrics of a cohort's evidence.

One trunk learns two things at once: linear heads read sex, age, race and finding from its features, and each film must find its
own other view (the decoder's drawing of it, noise, blur) among those of a batch (NT-Xent, Chen et al. 2020). The first makes
features mean something; the second keeps two phantoms with the same labels apart and a phantom near its copies.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional as F

from .data import MEAN, STD, Phantoms, lr_factor, round_to_half, seed_torch
from .gates import GATES, decoded, fuse_norms, loss_of, normalise, wanted
from .people import Person
from .vae import round_trip

DIMENSIONS, BATCH, LEARNING_RATE = 64, 64, 2e-3
TEMPERATURE = 0.1  # of NT-Xent
NAME, LICENSE = "phantom-encoder", "Apache-2.0"


class EncoderNet(nn.Module):
    """float32 [n, 1, 128, 128], normalised as for the gates -> features [n, DIMENSIONS]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for width, stride in ((12, 2), (24, 2), (48, 2), (64, 2), (64, 1)):
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.features = nn.Sequential(*layers, nn.AvgPool2d(2))  # [n, 64, 4, 4]
        self.project = nn.Linear(before * 16, DIMENSIONS)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.project(self.features(image).flatten(1))


def view(films: torch.Tensor) -> torch.Tensor:
    """A copy of normalised films as a generator or a codec would leave it: exposure, blur, noise."""
    n = len(films)
    films = films * (1 + 0.05 * torch.randn(n, 1, 1, 1)) + 0.05 * torch.randn(n, 1, 1, 1)
    blurred = F.avg_pool2d(films, 3, 1, 1, count_include_pad=False)
    films = torch.lerp(films, blurred, torch.rand(n, 1, 1, 1))
    return films + 0.15 * torch.rand(n, 1, 1, 1) * torch.randn_like(films)


def same_film_loss(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """NT-Xent: each of 2n views must find its partner among the 2n - 1 others by cosine similarity."""
    both = F.normalize(torch.cat([one, other]))
    similar = both @ both.T / TEMPERATURE
    similar.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(both)).roll(len(one))
    return F.cross_entropy(similar, partner)


def train_encoder(data: Phantoms, vae: AutoencoderKL, steps: int, log: Callable[[str], None] = print) -> EncoderNet:
    """Trains on pairs of views, each from the rendered film or from the decoder's drawing of it."""
    seed_torch("encoder drawings")
    drawn = decoded(vae, data)
    log("encoder: films drawn")
    seed_torch("encoder")
    net, start = EncoderNet(), time.time()
    heads = nn.ModuleDict({gate.name: nn.Linear(DIMENSIONS, gate.outputs) for gate in GATES})
    targets = {gate.name: wanted(gate, data) for gate in GATES}
    parameters = [*net.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
    sources = torch.from_numpy(np.stack([data.films, drawn]))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * lr_factor(step, steps, 50)
        chosen = torch.randint(len(data.people), (BATCH,))
        views = [view(normalise(sources[torch.randint(2, (BATCH,)), chosen])) for _ in range(2)]
        features = net(torch.cat(views))
        label = sum(head_loss(heads, targets, gate, features, chosen.repeat(2)) for gate in GATES)
        instance = same_film_loss(*features.chunk(2))
        optimizer.zero_grad(set_to_none=True)
        (label + instance).backward()
        optimizer.step()
        if step % 50 == 0 or step == steps - 1:
            log(f"encoder {step:4d} labels {label.item():.4f} same film {instance.item():.4f} {time.time() - start:.0f} s")
    net.eval()
    fuse_norms(net)
    round_to_half(net)
    return net


def head_loss(heads, targets, gate, features: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """What one head misses; ages count in the gate's units."""
    out = heads[gate.name](features)
    if gate.kind == "Regressor":
        years = targets[gate.name][chosen]
        return F.smooth_l1_loss(out[:, 0], (years - years.mean()) / years.std(), beta=0.2)
    return loss_of(gate, out, targets[gate.name][chosen])


@torch.no_grad()
def encode_films(net: EncoderNet, films: np.ndarray, batch: int = 128) -> np.ndarray:
    """Features of uint8 films: float32 [n, DIMENSIONS]."""
    return torch.cat([net(normalise(films[i : i + batch])) for i in range(0, len(films), batch)]).numpy()


def encoder_metrics(net: EncoderNet, vae: AutoencoderKL, train: Phantoms, held_out: Phantoms) -> dict:
    """Held-out films: what a linear reading of the features gets right, and how far copies and other phantoms are."""
    features = encode_films(net, held_out.films)
    rng = np.random.default_rng(1)
    noisy = np.clip(held_out.films + rng.normal(0, 4, held_out.films.shape), 0, 255).round().astype(np.uint8)
    other = cosine_distances(features, features)
    np.fill_diagonal(other, np.inf)
    alike = np.where(same_labels(held_out.people), other, np.inf).min(1)
    copies = {"noise of 4 grey levels": noisy, "after the VAE": round_trip(vae, held_out.films)}
    return {
        "linear reading": linear_reading(encode_films(net, train.films), features, train, held_out),
        "cosine distance": {
            "nearest other phantom": quantiles(other.min(1)),
            "nearest other phantom of the same labels": quantiles(alike[np.isfinite(alike)]),
            **{name: quantiles(np.diag(cosine_distances(encode_films(net, f), features))) for name, f in copies.items()},
        },
        "own film is the nearest": {
            name: float((cosine_distances(encode_films(net, f), features).argmin(1) == np.arange(len(f))).mean())
            for name, f in copies.items()
        },
    }


def cosine_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 - cos of each row of `a` to each row of `b`."""
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return 1 - unit(a) @ unit(b).T


def same_labels(people: list[Person]) -> np.ndarray:
    """Pairs that differ in no label: sex, race, finding and their place, and an age within two years; bool [n, n]."""
    keys = np.array([f"{p.sex} {p.race} {sorted(p.findings)} {p.side} {p.zone} {p.degree}" for p in people])
    years = np.array([person.age for person in people])
    return (keys[:, None] == keys) & (abs(years[:, None] - years) <= 2)


def quantiles(values: np.ndarray) -> dict[str, float]:
    """The 1st, 50th and 99th percentile."""
    return {name: float(np.quantile(values, q)) for name, q in (("1 %", 0.01), ("median", 0.5), ("99 %", 0.99))}


def linear_reading(known: np.ndarray, features: np.ndarray, train: Phantoms, held_out: Phantoms) -> dict[str, float]:
    """Least squares on features of the training films, measured on held-out ones: accuracies, and the error of the age."""
    fit = lambda target: np.linalg.lstsq(with_one(known), target, rcond=None)[0]
    result = {}
    for gate in GATES:
        truth, seen = wanted(gate, held_out).numpy(), wanted(gate, train).numpy()
        if gate.kind == "Regressor":
            error = with_one(features) @ fit(seen) - truth
            result["age mean absolute error"] = float(np.abs(error).mean())
            continue
        one_hot = seen if seen.ndim == 2 else np.eye(gate.outputs)[seen]
        answer = with_one(features) @ fit(one_hot)
        correct = (answer >= 0.5) == (truth > 0) if truth.ndim == 2 else answer.argmax(1) == truth
        result[f"{gate.name} accuracy"] = float(correct.mean())
    return result


def with_one(features: np.ndarray) -> np.ndarray:
    """The features and a column of ones."""
    return np.hstack([features, np.ones((len(features), 1))])


def encoder_description(height: int, width: int) -> dict:
    """The contents of encoder.json."""
    return {
        "apiVersion": "cohortfarm.dev/encoder/v1",
        "name": NAME,
        "license": LICENSE,
        "input": {"height": height, "width": width, "channels": 1, "mean": [MEAN], "std": [STD]},
    }
