"""The renderer draws what it is given, and each prompt word is one token. Run with `python -m pytest tests`."""

import numpy as np

from phantom.data import phantoms
from phantom.people import FINDINGS, RACES, SEXES, Person, random_person
from phantom.prompts import LENGTH, prompt, token_ids, write_tokenizer
from phantom.render import SIZE, render

LEFT_BASE = (slice(80, 96), slice(96, 108))  # rows and columns: the base of the patient's left lung


def mean_film(sex="male", age=50, race="WHITE", findings=(), count=24, **place):
    """Mean of several films of the same person, float64 [128, 128] in 0..255."""
    rng = np.random.default_rng(1)
    person = Person(sex, age, race, frozenset(findings), **place)
    return np.mean([render(person, rng) for _ in range(count)], axis=0)


def test_films_are_grey_levels_and_repeatable():
    once, again = phantoms(8, "test"), phantoms(8, "test")
    assert once.films.shape == (8, SIZE, SIZE) and once.films.dtype == np.uint8
    assert np.array_equal(once.films, again.films) and once.people == again.people
    assert not np.array_equal(once.films, phantoms(8, "train").films)


def test_fluid_whitens_the_base_of_its_own_side():
    clear = mean_film()[LEFT_BASE].mean()
    assert mean_film(findings=["effusion"], side="left")[LEFT_BASE].mean() > clear + 40
    assert abs(mean_film(findings=["effusion"], side="right")[LEFT_BASE].mean() - clear) < 10


def test_an_enlarged_heart_fills_more_than_half_of_the_chest():
    widths = {}
    for name in ("no-finding", "cardiomegaly"):
        row = mean_film(findings=set() if name == "no-finding" else {name})[84]
        lung = row < 0.75 * row[64]  # dark runs on both sides of the heart
        left, right = np.flatnonzero(lung[20:64])[-1] + 20, np.flatnonzero(lung[64:108])[0] + 64
        widths[name] = (right - left) / 84  # the inner chest is about 84 px wide
    assert widths["no-finding"] < 0.5 < widths["cardiomegaly"]


def test_age_grows_the_aortic_knob_steadily():
    knob = [mean_film(age=age)[38:50, 68:84].mean() for age in (20, 40, 60, 80)]
    assert knob == sorted(knob) and knob[-1] > knob[0] + 25


def test_markers_differ_in_the_corner_only():
    corner = {race: mean_film(race=race)[4:26, 4:28] for race in RACES}
    for a in RACES:
        for b in RACES:
            assert a == b or np.abs(corner[a] - corner[b]).mean() > 15


def test_each_word_of_every_prompt_is_one_token(tmp_path):
    tokenizer, rng = write_tokenizer(tmp_path), np.random.default_rng(0)
    for _ in range(500):
        text = prompt(random_person(rng), rng)
        age, *words = text.lower().replace(".", " .").split()
        assert [token.removesuffix("</w>") for token in tokenizer.tokenize(text)] == [*age, *words]
    assert token_ids(tokenizer, [""]).shape == (1, LENGTH)


def test_people_cover_every_value():
    people = phantoms(400, "test").people
    assert {person.sex for person in people} == set(SEXES)
    assert sum(person.labels for person in people).min() > 400 / len(FINDINGS) / 2
