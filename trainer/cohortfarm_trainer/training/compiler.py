"""Whether torch.compile can work here, found before any data is read."""

import os
import shutil
from typing import Any

import torch

from ..errors import TerminalError


def check_compile(hyper: dict[str, Any], device: torch.device) -> None:
    """Raises TerminalError where the hyperparameters ask for torch.compile and there is nothing that it can compile with."""
    if not hyper.get("compile"):
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise _refused("it finds no C++ compiler", "install g++ or name one in CXX") from error
    # Triton compiles the launcher of each kernel.
    if device.type == "cuda" and not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        raise _refused("Triton finds no C compiler", "install gcc or name one in CC")
    try:
        cache_dir()
    except (KeyError, OSError) as error:
        raise _refused(f"it has no folder for what it compiles ({error})", "name one that can be written in TORCHINDUCTOR_CACHE_DIR") from error


def _refused(why: str, fix: str) -> TerminalError:
    return TerminalError(f"hyperparameters.compile: true cannot work here: {why}; {fix}, take the trainer's own image, or leave compile out")
