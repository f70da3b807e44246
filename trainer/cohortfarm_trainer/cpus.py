"""The CPUs that a training process may use."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
LOADERS = 16  # at most, where the config names no number


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """CPUs of this process: those that it may run on, and no more than the limit of its container."""
    allowed = len(os.sched_getaffinity(0))
    limit = _limit(cgroup)
    return allowed if limit is None else max(1, min(allowed, math.ceil(limit)))


def _limit(cgroup: Path) -> float | None:
    """CPUs by the quota of the control group, of version 2 or 1; None without one."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        except OSError:
            return None
    return int(quota) / int(period) if quota not in ("max", "-1") else None


def loader_workers() -> int:
    """Processes that load images, for each of those of this machine that train together."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(LOADERS, usable_cpus() // here))
