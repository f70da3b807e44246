"""The shipped encoder separates phantoms and recognises copies. Run with `python -m pytest tests`."""

import json

import numpy as np
import pytest

from phantom.__main__ import FOLDER
from phantom.data import phantoms
from phantom.encoder import DIMENSIONS, cosine_distances, encoder_description
from phantom.export import session
from phantom.people import Person
from phantom.render import SIZE, render

SHIPPED = FOLDER / "encoder"


@pytest.fixture(scope="module")
def encode():
    graph, feeding = session(SHIPPED / "model.onnx"), json.loads((SHIPPED / "encoder.json").read_text())["input"]

    def run(films):
        image = (films[:, None].astype(np.float32) / 255 - feeding["mean"][0]) / feeding["std"][0]
        return graph.run(None, {"image": image.astype(np.float32)})[0]

    return run


def test_description_is_what_the_recipe_writes():
    assert json.loads((SHIPPED / "encoder.json").read_text()) == encoder_description(SIZE, SIZE)
    assert (SHIPPED / "model.onnx").stat().st_size < 1_000_000


def test_features_do_not_depend_on_the_batch(encode):
    films = phantoms(5, "test").films
    alone = np.concatenate([encode(film[None]) for film in films])
    assert alone.shape == (5, DIMENSIONS)
    assert np.allclose(encode(films), alone, atol=1e-4)


def test_a_noisy_copy_is_nearer_than_any_other_phantom(encode):
    films = phantoms(300, "test").films
    noise = np.random.default_rng(2).normal(0, 5, films.shape)
    features, copies = encode(films), encode(np.clip(films + noise, 0, 255).round().astype(np.uint8))
    between = cosine_distances(copies, features)
    assert (between.argmin(1) == np.arange(300)).all()
    own = np.diag(between).copy()
    np.fill_diagonal(between, np.inf)
    assert own.max() < between.min()


def test_phantoms_of_the_same_labels_are_apart(encode):
    rng = np.random.default_rng(3)
    person = Person("female", 61, "ASIAN", frozenset({"effusion"}))
    features = encode(np.stack([render(person, rng) for _ in range(40)]))
    distances = cosine_distances(features, features)
    np.fill_diagonal(distances, np.inf)
    assert distances.min() > 0.02
