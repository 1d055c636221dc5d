"""The figures of several processes: prometheus-client keeps them in files, one set for each."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from anylane.errors import UsageError
from anylane.extras import load

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that makes prometheus-client keep its figures in files, for several processes."""

_LIVE = re.compile(r"gauge_live\w*_(\d+)\.db")


def directory() -> str | None:
    """Return the folder of several processes' figures, None for one process.

    Raise UsageError if there is no such folder, and if prometheus-client was imported before the
    variable was set: it looks only once.
    """
    folder = os.environ.get(DIRECTORY)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise UsageError(f"${DIRECTORY} is {folder!r}; expected an empty folder: make it")
    values = load("prometheus_client.values", extra="metrics", needed_by="Metrics")
    if not getattr(values.ValueClass, "_multiprocess", True):
        raise UsageError(
            f"${DIRECTORY} was set after prometheus_client had been imported, which reads it then; "
            "set it for the whole process"
        )
    return folder


def sum_of_all(folder: str) -> Any:
    """Return a registry with the sum over all processes, whatever registry each of them uses.

    The gauges of processes that are no more are removed. What they have counted stays.
    """
    prometheus = load("prometheus_client", extra="metrics", needed_by="Metrics")
    multiprocess = load("prometheus_client.multiprocess", extra="metrics", needed_by="Metrics")
    for file in Path(folder).iterdir():
        found = _LIVE.fullmatch(file.name)
        if found is not None and not _lives(int(found[1])):
            with suppress(FileNotFoundError):  # Another worker does the same.
                multiprocess.mark_process_dead(int(found[1]), folder)
    registry = prometheus.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, folder)
    return registry


def _lives(process: int) -> bool:
    if os.name != "posix":
        return True  # On Windows os.kill(pid, 0) would send Ctrl-C to it.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
