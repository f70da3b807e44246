"""How a stage can fail, with the exit code and the reason that the operator reads (docs/training.md)."""

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
