"""Labels of images, from a column of names or from one column of flags for each finding."""

import re
from typing import Any

import numpy as np
import pandas

from ..errors import UsageError
from .notes import Notes
from .records import NO_FINDING, label_matrix, label_name
from .vocabulary import FINDINGS

FLAGS = {"": 0.0, "nan": 0.0, "0": 0.0, "0.0": 0.0, "false": 0.0, "1": 1.0, "1.0": 1.0, "true": 1.0, "-1": -1.0, "-1.0": -1.0}
UNCERTAIN = {"ignore": -1.0, "ones": 1.0, "zeros": 0.0}


def labels_of(
    table: pandas.DataFrame, columns: dict[str, str | None], labels: list[str], how: dict[str, Any], where: str, notes: Notes
) -> np.ndarray:
    """float32 [n, labels], from one column with `|` between names, or from one column of flags for each finding.

    An empty text says nothing. An empty flag says that there is no such finding; -1 (uncertain) what the config makes of it,
    and without that nothing.
    """
    others = {label: {label_name(name) for name in names} for label, names in how.get("findings", {}).items()}
    if columns["findings"] is not None:
        return _from_names(table[columns["findings"]], others, labels, how, notes)
    taken = {header for header in columns.values() if header is not None}
    flags = {label_name(header): flags_of(table[header]) for header in table.columns if header not in taken}
    # A column of 0 and 1 may be anything, such as whether the film was taken in bed.
    findings = FINDINGS.union(labels, *others.values())
    found = {name: values for name, values in flags.items() if values is not None and name in findings}
    notes.ignored = [header for header in table.columns if header not in taken and ":" not in header and label_name(header) not in found]
    if not found:
        unknown = sorted(name for name, values in flags.items() if values is not None)
        raise UsageError(
            f"{where} has no findings: write a column findings ({NO_FINDING}, or names with | between), or a column of 0 and 1 for each"
            + (f"; {', '.join(unknown[:5])} are neither labels nor known as findings" if unknown else "")
        )
    found = decided(with_others(found, others), how.get("uncertain", {}), where, notes)
    notes.other_findings.update({name: int((values == 1).sum()) for name, values in found.items() if name not in labels and (values == 1).any()})
    return flag_matrix(found, labels, how.get("complete", False))


def _from_names(texts: pandas.Series, others: dict[str, set[str]], labels: list[str], how: dict[str, Any], notes: Notes) -> np.ndarray:
    separator = how.get("columns", {}).get("findings", {}).get("separator")
    parts = re.compile(re.escape(separator) if separator else r"[|;]")
    unsaid = {label_name(name) for name in how.get("unsaid", [])}
    read: dict[str, frozenset[str]] = {}
    for text in texts.unique():
        names = {label_name(part) for part in parts.split(text)} - {""} - unsaid
        if names & others.get(NO_FINDING, set()):
            names = names - others[NO_FINDING] | {NO_FINDING}
        read[text] = frozenset(names | {label for label, synonyms in others.items() if names & synonyms})
    found = [read[text] for text in texts]
    matrix = label_matrix(found, frozenset().union(*read.values()), labels)
    matrix[[not names for names in found]] = np.nan
    notes.other_findings.update(name for names in found for name in names if name not in labels)
    return matrix


def flags_of(column: pandas.Series) -> np.ndarray | None:
    """float [n] of 0, 1 and -1 (uncertain); None for a column of anything else, or of nothing."""
    texts = column.str.strip().str.lower()
    if not texts.isin(FLAGS).all() or texts.isin({"", "nan"}).all():
        return None
    return texts.map(FLAGS).to_numpy(float)


def with_others(flags: dict[str, np.ndarray], others: dict[str, set[str]]) -> dict[str, np.ndarray]:
    """The flags, and each label that has other names as the union of its columns: there where one is, uncertain where one is that."""
    result = dict(flags)
    for label, names in others.items():
        parts = [flags[name] for name in [label, *sorted(names)] if name in flags]
        if parts:
            stack = np.stack(parts)
            result[label] = np.where((stack == 1).any(0), 1.0, np.where((stack == -1).any(0), -1.0, 0.0))
    return result


def decided(flags: dict[str, np.ndarray], uncertain: dict[str, str], where: str, notes: Notes) -> dict[str, np.ndarray]:
    """The flags with what the config makes of uncertain ones. Raises UsageError for a label that there is no column of."""
    wrong = sorted(set(uncertain) - {"default"} - set(flags))
    if wrong:
        raise UsageError(f"source.uncertain: {where} has no column for {', '.join(wrong)}; it has {', '.join(flags)}")
    choice = {name: uncertain.get(name, "ignore" if name == NO_FINDING else uncertain.get("default", "ignore")) for name in flags}
    for name, values in flags.items():
        notes.count(f"uncertain (-1) {name}: {choice[name]}", int((values == -1).sum()))
    return {name: np.where(values == -1, UNCERTAIN[choice[name]], values) for name, values in flags.items()}


def flag_matrix(flags: dict[str, np.ndarray], labels: list[str], complete: bool) -> np.ndarray:
    """float32 [n, labels], from flags by name.

    Whether there is no finding at all says its own column. Without one it is known of images with a finding only, unless
    the columns are `complete`: whether they are all that was looked for, such a file does not say.
    """
    n = len(next(iter(flags.values())))
    unknown, others = np.full(n, -1.0), [values for name, values in flags.items() if name != NO_FINDING]
    ill, unsure = (np.any([values == kind for values in others], axis=0) & np.ones(n, bool) for kind in (1, -1))
    flags = {NO_FINDING: np.where(ill, 0.0, np.where(unsure | (not complete), -1.0, 1.0)), **flags}
    values = np.stack([flags.get(label, unknown) for label in labels], 1)
    return np.where(values == -1, np.nan, values == 1).astype(np.float32)
