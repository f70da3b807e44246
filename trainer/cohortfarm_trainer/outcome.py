"""How a command ended, for the operator: JSON in the file that becomes the pod's termination message."""

import json
import os
from typing import Any

from .errors import StageError

FILE = "COHORTFARM_OUTCOME_FILE"
MAX_MESSAGE, MAX_METRICS, MAX_BYTES = 1000, 16, 4096


def write_outcome(reason: str, message: str, metrics: dict[str, float] | None = None) -> None:
    """Writes the outcome where the environment says; nothing where it says nothing."""
    path = os.environ.get(FILE)
    if not path:
        return
    outcome: dict[str, Any] = {"apiVersion": "cohortfarm.dev/outcome/v1", "reason": reason, "message": message[:MAX_MESSAGE]}
    if metrics:
        outcome["metrics"] = dict(list(metrics.items())[:MAX_METRICS])
    text = json.dumps(outcome)
    while len(text.encode()) > MAX_BYTES:
        outcome["message"] = outcome["message"][: len(outcome["message"]) // 2]
        text = json.dumps(outcome)
    with open(path, "w") as file:
        file.write(text)


def write_failure(error: BaseException) -> None:
    reason = error.reason if isinstance(error, StageError) else "StageFailed"
    write_outcome(reason, str(error) or type(error).__name__)
