"""How a stage can fail, with the exit code and the reason that the operator reads (docs/training.md)."""

from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

DONE, USAGE, TRY_AGAIN, NEVER = 0, 2, 75, 78


class StageError(Exception):
    """A failure that people can read: what is wrong, with what, and the fix."""

    exit_code = NEVER
    reason = "StageFailed"

    def __init__(self, message: str, reason: str | None = None):
        super().__init__(message)
        self.reason = reason or self.reason


class UsageError(StageError):
    """The config or the data is not as it must be. Exit 2."""

    exit_code = USAGE
    reason = "SpecInvalid"


class TerminalError(StageError):
    """Another try will not fix it. Exit 78."""


class RetryableError(StageError):
    """The network or a server failed; another try may do. Exit 75."""

    exit_code = TRY_AGAIN
    reason = "StoreUnavailable"


class StoppedError(StageError):
    """Stopped on request, at a checkpoint from which it resumes. Exit 75."""

    exit_code = TRY_AGAIN
    reason = "Training"


class NotFoundError(UsageError):
    """An object or folder that the config names is not there."""

    reason = "DataNotFound"


class Faults:
    """Collects what is wrong with an input, so that one error has all of it."""

    def __init__(self):
        self.found: list[UsageError] = []

    def of(self, action: Callable[[], Result]) -> Result | None:
        """The result of an action; None when it raises a UsageError, which is kept."""
        try:
            return action()
        except UsageError as error:
            self.found.append(error)
            return None

    def end(self) -> None:
        """Raises all that was kept as one error, a line for each."""
        if self.found:
            kind = NotFoundError if all(isinstance(error, NotFoundError) for error in self.found) else UsageError
            raise kind("\n".join(dict.fromkeys(map(str, self.found))))
