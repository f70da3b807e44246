"""What all commands share: where results go, who trains, when to stop."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

from ..config import config_digest, path_of, schema
from ..data.images import CROP
from ..data.memory import Memory, described
from ..data.predictions import PREDICTIONS
from ..data.records import NO_FINDING
from ..distributed import Team
from ..errors import NotFoundError, TerminalError
from ..progress import say
from ..report.report import render_report
from ..store import Store, open_store, split_uri
from ..timm_models import PUBLISHED, published

METRICS, REPORT, CARD = "metrics.json", "report.html", "README.md"
VERSION = "cohortfarm.dev/metrics/v2"
RESULTS = (METRICS, REPORT, CARD, "model.pt", "model.onnx", "gate.json", PREDICTIONS)


@dataclass
class Context:
    """One command on its way."""

    config: dict[str, Any]
    team: Team
    stopping: Callable[[], bool]
    store: Store = field(init=False)
    runs: Store = field(init=False)  # of a comparison
    digest: str = field(init=False)

    def __post_init__(self):
        self.store = open_store(self.config["output"], self.config["s3"])
        runs = self.config.get("compare", {}).get("runs")
        self.runs = open_store(runs, self.config["s3"]) if runs else self.store
        self.digest = config_digest(self.config)

    @property
    def labels(self) -> list[str]:
        """What the network answers: no-finding first."""
        return [NO_FINDING, *self.config["labels"]]

    @property
    def fit(self) -> str:
        """How images become squares."""
        return self.config.get("imageFit", CROP)

    def say(self, text: str) -> None:
        if self.team.leads:
            say(f"{self.config['name']}: {text}")

    def read(self, uri: str) -> bytes:
        """The bytes of a file that the config names, or of weights that timm publishes."""
        if uri.startswith(PUBLISHED):
            return published(uri)
        folder, name = split_uri(uri)
        return open_store(folder, self.config["s3"]).get(name)

    def finished(self) -> dict[str, Any] | None:
        """The metrics of this very config, where it has been done before, with all that this version measures."""
        try:
            metrics = json.loads(self.store.get(METRICS))
        except (NotFoundError, ValueError):
            return None
        if not isinstance(metrics, dict) or metrics.get("configDigest") != self.digest:
            return None
        if metrics.get("apiVersion") != VERSION:
            self.say(f"{METRICS} is {metrics.get('apiVersion')}, and this version writes {VERSION}: it is measured again")
            return None
        return metrics if Draft202012Validator(schema("metrics")).is_valid(metrics) else None

    def keep_old_result(self) -> None:
        """Copies what another config left here to kept/DIGEST/, before anything is written over it."""
        try:
            old = str(json.loads(self.store.get(METRICS))["configDigest"])[:12]
        except (NotFoundError, ValueError, KeyError, TypeError):
            return
        for name in RESULTS:
            if self.store.size(name) is not None:
                self.store.put(f"kept/{old}/{name}", self.store.get(name))
        self.say(f"the result of another config is kept in kept/{old}/")

    def metrics(
        self, headline: dict[str, float], evaluations: list[dict[str, Any]], memory: Memory, labels: list[str] | None = None, **more: Any
    ) -> dict[str, Any]:
        """metrics.json without what only some commands have."""
        config, declared = self.config, described(memory)
        return {
            "apiVersion": VERSION,
            "stage": {"name": config["name"], "type": config["type"]},
            "configDigest": self.digest,
            "model": {
                **{name: config[name] for name in ("architecture", "imageSize") if name in config},
                "labels": labels or self.labels,
                **({"trainedOn": declared} if declared else {}),
            },
            "headline": {name: round(value, 6) for name, value in headline.items()},
            "evaluations": evaluations,
            **more,
        }

    def again(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """What was done before is not done again; only the report is rendered as this version does it."""
        self.say("is done already")
        if self.team.leads:
            self.store.put(REPORT, render_report(metrics).encode())
        return metrics

    def finish(self, metrics: dict[str, Any]) -> None:
        """Writes the report, and then the metrics: their presence says that the command is done."""
        faults = sorted(Draft202012Validator(schema("metrics")).iter_errors(metrics), key=str)
        if faults:
            lines = "; ".join(f"{path_of(fault.absolute_path)}: {fault.message[:200]}" for fault in faults[:5])
            raise TerminalError(f"metrics.json would not follow its schema: {lines}")
        self.store.put(REPORT, render_report(metrics).encode())
        self.store.put(METRICS, (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode())
