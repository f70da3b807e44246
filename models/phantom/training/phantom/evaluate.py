"""What the card quotes: the gates on held-out phantoms, and the gates on the shipped ONNX model's own images."""

import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

from .data import Phantoms, stream
from .diffusion import new_scheduler
from .export import session
from .gates import GATES, GateNet, accepts, answer, axis_value, decoded
from .people import AGE_BINS, DEGREES, FINDINGS, RACES, SEXES, SIDES, ZONES, Person
from .prompts import prompt, token_ids
from .vae import round_trip, to_films

STEPS, GUIDANCE, BATCH = 25, 3.0, 8
TOLERANCE, TOLERANCES = 16, (6, 8, 10, 12, 16)  # years: the one of the tables, and those compared


class Sampler:
    """The shipped graphs in ONNX Runtime with diffusers' own scheduler."""

    def __init__(self, folder: Path, threads: int = 2):
        self.graphs = {name: session(folder / name / "model.onnx", threads) for name in ("text_encoder", "unet", "vae_decoder")}
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        self.scale = AutoencoderKL.load_config(folder / "vae_decoder")["scaling_factor"]

    def __call__(self, prompts: list[str], seeds: list[int], steps=STEPS, guidance=GUIDANCE) -> np.ndarray:
        """One film per prompt and seed: uint8 [n, 128, 128]."""
        parts = [
            self._batch(prompts[i : i + BATCH], seeds[i : i + BATCH], steps, guidance) for i in range(0, len(prompts), BATCH)
        ]
        return np.concatenate(parts)

    def _batch(self, prompts, seeds, steps, guidance):
        scheduler = new_scheduler()
        scheduler.set_timesteps(steps)
        states = self._run("text_encoder", input_ids=token_ids(self.tokenizer, [""] * len(prompts) + prompts).numpy())
        noise = [torch.randn(1, 4, 16, 16, generator=torch.Generator("cpu").manual_seed(seed)) for seed in seeds]
        latents = torch.cat(noise)
        for t in scheduler.timesteps:
            both, when = torch.cat([latents, latents]).numpy(), np.array(t, np.float32)
            noise = self._run("unet", sample=both, timestep=when, encoder_hidden_states=states)
            without, with_prompt = torch.from_numpy(noise).chunk(2)
            latents = scheduler.step(without + guidance * (with_prompt - without), t, latents).prev_sample
        images = self._run("vae_decoder", latent_sample=(latents / self.scale).numpy())
        return to_films(torch.from_numpy(images)).numpy()

    def _run(self, graph: str, **feed) -> np.ndarray:
        return self.graphs[graph].run(None, feed)[0]


def grid_people(each: int) -> list[Person]:
    """`each` people of every cell of sex x age bin x race x finding; ages cycle through their bin."""
    people = []
    for low, high in AGE_BINS:
        for sex in SEXES:
            for race in RACES:
                for finding in FINDINGS:
                    for copy in range(each):
                        age = low + (len(people) * 7 + copy) % (high - low + 1)
                        found = frozenset() if finding == "no-finding" else frozenset({finding})
                        people.append(Person(sex, age, race, found, SIDES[copy % 2], ZONES[copy // 2 % 2], DEGREES[copy // 4 % 2]))
    return people


def generate(folder: Path, each: int):
    """Films of the whole grid: (uint8 [n, 128, 128], people, seconds a film on two threads)."""
    rng, people, sampler = stream("grid"), grid_people(each), Sampler(folder)
    prompts = [prompt(person, rng) for person in people]
    start = time.time()
    films = sampler(prompts, list(range(len(people))))
    return films, people, (time.time() - start) / len(people)


def pass_rates(films: np.ndarray, people: list[Person], nets: dict[str, GateNet]) -> dict:
    """Share of films that each gate accepts, overall and by axis value; all gates together; and the worst cells."""
    out = {gate.name: answer(nets[gate.name], films) for gate in GATES}
    verdicts = {gate.name: accepts(gate, out[gate.name], people, TOLERANCE) for gate in GATES}
    together = np.logical_and.reduce(list(verdicts.values()))
    others = verdicts["sex"] & verdicts["race"] & verdicts["finding"]
    off = out["age"][:, 0] - np.array([person.age for person in people])
    cells = defaultdict(list)
    for person, good in zip(people, together):
        cells[(person.sex, age_bin(person), person.race, axis_value("finding", person))].append(good)
    worst = sorted((float(np.mean(goods)), " ".join(cell)) for cell, goods in cells.items())[:8]
    return {
        "films": len(people),
        "all gates": float(together.mean()),
        "all gates by age tolerance": {str(years): float((others & (abs(off) <= years)).mean()) for years in TOLERANCES},
        **{name: {"all": float(good.mean()), **by_value(name, good, people)} for name, good in verdicts.items()},
        "all gates by finding": by_value("finding", together, people),
        "all gates by age": by_value("age", together, people),
        "age error": {"mean absolute": float(abs(off).mean()), "mean by age": by_value("age", off, people)},
        "worst cells": {cell: share for share, cell in worst},
    }


def by_value(axis: str, good: np.ndarray, people: list[Person]) -> dict[str, float]:
    """Mean (of bools: the share of True) per value of one axis."""
    groups = defaultdict(list)
    for person, flag in zip(people, good):
        groups[age_bin(person) if axis == "age" else axis_value(axis, person)].append(flag)
    return {value: float(np.mean(flags)) for value, flags in groups.items()}


def age_bin(person: Person) -> str:
    return next(f"{low}-{high}" for low, high in AGE_BINS if low <= person.age <= high)


def gate_metrics(nets: dict[str, GateNet], vae: AutoencoderKL, data: Phantoms) -> dict:
    """Held-out phantoms, as rendered and as the decoder draws them: accuracy, exact finding sets, error of the age."""
    return {
        "rendered": _gate_metrics(nets, data.films, data.people),
        "decoded": _gate_metrics(nets, round_trip(vae, data.films), data.people),
        "decoded from noisy latents": _gate_metrics(nets, decoded(vae, data), data.people),
    }


def _gate_metrics(nets, films, people) -> dict:
    out = {gate.name: answer(nets[gate.name], films) for gate in GATES}
    labels = np.stack([person.labels for person in people])
    years = np.array([person.age for person in people])
    correct = (out["finding"] >= 0) == (labels > 0)
    return {
        "sex accuracy": float(np.mean([SEXES[i] == p.sex for i, p in zip(out["sex"].argmax(1), people)])),
        "race accuracy": float(np.mean([RACES[i] == p.race for i, p in zip(out["race"].argmax(1), people)])),
        "age mean absolute error": float(np.abs(out["age"][:, 0] - years).mean()),
        "finding accuracy": {name: float(correct[:, i].mean()) for i, name in enumerate(FINDINGS)},
        "finding set exact": float(correct.all(1).mean()),
    }
