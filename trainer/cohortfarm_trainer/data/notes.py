"""What was read from a source and what was not understood, for `cohortfarm check-data`."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas

SHOWN = 20  # values in a list


@dataclass
class Notes:
    """Of one folder. Counts are of rows, unless they say otherwise."""

    where: str = ""
    rows: int = 0
    left_out: Counter = field(default_factory=Counter)  # by reason
    remarks: Counter = field(default_factory=Counter)
    views: Counter = field(default_factory=Counter)
    not_understood: dict[str, Counter] = field(default_factory=dict)  # values, by column
    other_findings: Counter = field(default_factory=Counter)  # found, and not among the labels
    ignored: list[str] = field(default_factory=list)  # columns
    unnamed: int = 0  # images that no row names

    def leave_out(self, reason: str, rows: int) -> None:
        if rows:
            self.left_out[reason] += rows

    def count(self, remark: str, rows: int) -> None:
        if rows:
            self.remarks[remark] += rows

    def misread(self, column: str, values: pandas.Series) -> None:
        """Notes texts that say something, and from which nothing was learned."""
        said = Counter(value.strip() for value in values if value.strip())
        if said:
            self.not_understood[column] = self.not_understood.get(column, Counter()) + said

    def described(self) -> dict[str, Any]:
        """As data.json has it; of long lists the most frequent."""
        found = asdict(self)
        for name in ("left_out", "remarks", "views", "other_findings"):
            found[name] = dict(getattr(self, name).most_common(SHOWN))
        found["not_understood"] = {name: dict(values.most_common(SHOWN)) for name, values in self.not_understood.items()}
        return {_camel(name): value for name, value in found.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
