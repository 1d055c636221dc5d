"""What this process holds in memory, and how much it may.

Both read files that the kernel makes up, which takes microseconds and waits for nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


class Memory:
    """The memory of the process that asks. psutil: the library."""

    def __init__(self, psutil: Any) -> None:
        self._psutil = psutil
        self._pid = -1
        self._process: Any = None
        self._limit = 0

    def figures(self) -> dict[str, int]:
        """Return the bytes that are resident, and those that may be: what the container has, else
        the machine."""
        if self._pid != os.getpid():  # An app may be loaded before its process is forked.
            self._process = self._psutil.Process()
            self._limit = min([self._psutil.virtual_memory().total, *limits(Path("/"))])
            self._pid = os.getpid()
        return {"resident": self._process.memory_info().rss, "limit": self._limit}


def limits(root: Path) -> Iterator[int]:
    """Yield the limits of the control groups that this process is in, in bytes (Linux, cgroups(7)).

    root: the folder that has proc and sys.
    """
    lines: list[str] = []
    with suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    groups = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "", "")[:3]
        if not controllers:
            place, name = groups, "memory.max"
        elif "memory" in controllers.split(","):
            place, name = groups / "memory", "memory.limit_in_bytes"
        else:
            continue
        inner = place / path.lstrip("/")
        for folder in (inner, *inner.parents):
            with suppress(OSError, ValueError):  # "max" stands for none.
                yield int((folder / name).read_text(encoding="ascii"))
            if folder == place:
                break
