"""The CPUs that this process may use: those it may run on, and its share of their time."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cpus(root: Path = Path("/")) -> int:
    """Return how many workers can run at once: the CPUs of this process's affinity, or fewer where
    its control group has a quota of their time (a container's limit). At least 1.

    root: where /proc and /sys are.
    """
    count = getattr(os, "process_cpu_count", None)  # Python 3.13, and PYTHON_CPU_COUNT with it.
    if count is not None:
        cpus = count() or 1
    elif hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    else:  # macOS
        cpus = os.cpu_count() or 1
    quota = _quota(root)
    # Of one and a half CPUs two workers use more than one does.
    return max(1, cpus if quota is None else min(cpus, math.ceil(quota)))


def _quota(root: Path) -> float | None:
    """Return the CPUs' time that the control group and those around it leave; None for no quota."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    found = []
    for line in lines:
        _, names, path = line.split(":", 2)
        if not names:  # Version 2.
            place, read = root / "sys/fs/cgroup", _quota_2
        elif "cpu" in names.split(","):
            place, read = root / "sys/fs/cgroup" / names, _quota_1
        else:
            continue
        inner = place / path.strip("/")
        # In a container its own group may be mounted as the root, so the path leads nowhere.
        for folder in (inner, *inner.parents):
            if (quota := read(folder)) is not None:
                found.append(quota)
            if folder == place:
                break
    return min(found, default=None)


def _quota_2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_1(folder: Path) -> float | None:
    try:
        quota, period = (
            int((folder / name).read_text(encoding="ascii"))
            for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )
    except (OSError, ValueError):
        return None
    return None if quota <= 0 else quota / period
