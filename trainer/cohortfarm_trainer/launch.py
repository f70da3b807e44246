"""Starts the processes of this pod by torchrun, where the environment says that there are several, and passes on how they end."""

import os
from collections.abc import Mapping

from .errors import TRY_AGAIN

# torchrun's own variables, as Kubeflow Trainer and CohortFarm set them.
NODES, PROCESSES = "PET_NNODES", "PET_NPROC_PER_NODE"


def wants_launch(env: Mapping[str, str]) -> bool:
    """Whether several processes were asked for and this is not one of them yet."""
    several = env.get(NODES, "1") != "1" or env.get(PROCESSES, "1") != "1"
    return several and "RANK" not in env


def launch(arguments: list[str]) -> int:
    """Runs `python -m cohortfarm_trainer ARGUMENTS` in each process of this pod; the exit code is that of the first that failed."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    # Loader processes and this one share the cores; torchrun would warn and set it to 1 anyway.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        torchrun(["-m", __package__, *arguments])
    except ChildFailedError as error:
        codes = [failure.exitcode for failure in error.failures.values()]
        return next((code for code in codes if code > 0), TRY_AGAIN)
    except SignalException:
        return TRY_AGAIN
    return 0
