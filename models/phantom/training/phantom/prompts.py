"""The prompt grammar "{age} year old {race} {sex}. {impression}" and the small CLIP vocabulary made for it."""

import json
from itertools import product
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from .people import DEGREES, FINDINGS, RACES, SEXES, SIDES, ZONES, Person

LENGTH = 32  # tokens per prompt, begin, end and padding included
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
NEUTRAL = {
    "no-finding": [
        "No acute cardiopulmonary process .",
        "No evidence of acute cardiopulmonary disease .",
        "Lungs are clear .",
        "Normal chest .",
    ],
    "cardiomegaly": ["Cardiomegaly .", "The heart is enlarged .", "Enlarged cardiac silhouette ."],
    "effusion": ["Pleural effusion .", "Pleural effusion is present ."],
    "opacity": ["Focal opacity in the lung .", "Lobar opacity ."],
}
EXACT = {
    "cardiomegaly": ["{degree} cardiomegaly .", "{degree} enlargement of the heart ."],
    "effusion": ["{side} pleural effusion .", "{degree} {side} pleural effusion ."],
    "opacity": [
        "{side} {zone} lobe opacity .",
        "Focal opacity in the {side} lung .",
        "{degree} opacity in the {side} {zone} lobe .",
    ],
}
DEGREE_WORDS = {
    "cardiomegaly": {"slight": "Mild", "marked": "Moderate"},
    "effusion": {"slight": "Small", "marked": "Moderate"},
    "opacity": {"slight": "Faint", "marked": "Dense"},
}


def impressions(finding: str) -> list[str]:
    """Every phrasing of one finding."""
    people = [Person("male", 60, "WHITE", frozenset({finding}), *place) for place in product(SIDES, ZONES, DEGREES)]
    exact = [fill(phrase, finding, person) for phrase in EXACT.get(finding, []) for person in people]
    return list(dict.fromkeys(NEUTRAL[finding] + exact))


def fill(phrase: str, finding: str, person: Person) -> str:
    """The phrase with the person's side, zone and degree, its first letter a capital."""
    degree = DEGREE_WORDS[finding][person.degree].lower()
    text = phrase.format(side=person.side, zone=person.zone, degree=degree)
    return text[0].upper() + text[1:]


def prompt(person: Person, rng: np.random.Generator) -> str:
    """A prompt for a person with one finding at most; two of three say where and how much, truly."""
    finding = next(iter(person.findings), "no-finding")
    exact = finding in EXACT and rng.random() < 2 / 3
    phrases = EXACT[finding] if exact else NEUTRAL[finding]
    phrase = phrases[rng.integers(len(phrases))]
    impression = fill(phrase, finding, person) if exact else phrase
    return f"{person.age} year old {person.race} {person.sex}. {impression}"


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """A genuine CLIP tokenizer: 256 byte symbols, the same with </w>, and merges that make each word one token."""
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = " ".join(
        [*SEXES, *RACES, "year old", *(phrase for finding in FINDINGS for phrase in impressions(finding))]
    ).lower()
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=4096, min_frequency=1, end_of_word_suffix="</w>", show_progress=False)
    bpe.train_from_iterator([words], trainer)
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]

    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols), *("".join(pair) for pair in merges), BEGIN, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token=END, model_max_length=LENGTH
    )
    tokenizer.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def token_ids(tokenizer: CLIPTokenizer, prompts: list[str]):
    """int64 [n, LENGTH], padded and truncated as diffusers does."""
    return tokenizer(prompts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt").input_ids
