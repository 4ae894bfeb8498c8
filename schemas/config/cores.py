"""Cores that this process may use."""

import os
from pathlib import Path
from typing import Final

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""Share of this control group (version 2): microseconds of each period, or "max", and the period."""


def usable_cores(quota: Path = _QUOTA) -> int:
    """Count the cores of this process: those it may run on, or fewer where a container is given a share of the machine.

    joblib.cpu_count counts the same and takes a tenth of a second to import, which every command would wait for.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = quota.read_text("ascii").split()
        return max(1, min(allowed, int(share) // int(period)))
    except (OSError, ValueError):  # another system, version 1, or no limit
        return allowed
