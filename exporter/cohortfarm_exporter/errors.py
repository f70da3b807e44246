"""Failures with a message for people and an exit code (contract/names.ts)."""

import errno

USAGE, TRY_AGAIN, NEVER = 2, 75, 78


class ExportError(Exception):
    """The message names the object, what is wrong and the fix."""

    def __init__(self, message: str, exit_code: int = USAGE):
        super().__init__(message)
        self.exit_code = exit_code


def explain(error: Exception, output: str) -> ExportError | None:
    """The same failure with its fix, where it is one of the machine or of the network; null for any other."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return ExportError(f"{output}: no space is left on the disk; free some, or choose another --output", TRY_AGAIN)
        if isinstance(seen, MemoryError):
            return ExportError("this machine has too little memory for the model; use one with more", NEVER)
        seen = seen.__cause__ or seen.__context__
    # Writers in C++ report it only in words.
    if "No space left on device" in str(error):
        return ExportError(f"{output}: no space is left on the disk; free some, or choose another --output", TRY_AGAIN)
    return None
