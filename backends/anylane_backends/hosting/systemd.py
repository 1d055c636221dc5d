"""What systemd passes in and is told: sd_listen_fds(3) and sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress

from anylane_backends.sockets.sockets import UNIX

_FIRST = 3
"""The first descriptor that is passed: SD_LISTEN_FDS_START."""


def listen_fds(environ: MutableMapping[str, str]) -> tuple[str, ...]:
    """Return the addresses of the descriptors that were passed to this process, "fd://3" and on.

    A second call returns nothing: the variables are removed, as the manual asks, so that children
    do not take the descriptors for theirs.
    """
    pid = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return ()
    return tuple(f"fd://{number}" for number in range(_FIRST, _FIRST + int(count)))


def notify_reloading() -> None:
    """Tell the service manager that a reload begins. `notify("READY=1")` ends it.

    `Type=notify-reload` needs the monotonic clock with it, in microseconds.
    """
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify_starting(seconds: float) -> None:
    """Tell the service manager for how many seconds to wait for the start, or for the reload,
    beyond what its own settings say. Each call begins to count anew."""
    notify(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")


def notify_stopping(seconds: float) -> None:
    """Tell the service manager that the end begins, and for how many seconds to wait for it beyond
    what its own settings say."""
    notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")


def watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """Return after how many seconds to notify "WATCHDOG=1", again and again; None for never.

    It is half of what the service manager allows, as sd_watchdog_enabled(3) recommends.
    """
    allowed = environ.get("WATCHDOG_USEC", "")
    if not allowed.isdecimal() or int(allowed) == 0 or "NOTIFY_SOCKET" not in environ:
        return None
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # It is meant for the process that has started this one.
    return int(allowed) / 2e6


def notify(state: str, *, waits: bool = True) -> None:
    """Tell the service manager a state such as "READY=1" or "STOPPING=1", if there is one.

    waits: until it has room for that. Else it is not told while it has none.
    """
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")) or UNIX is None:
        return
    if path.startswith("@"):  # The abstract namespace, as the manual spells it.
        path = "\0" + path[1:]
    with suppress(OSError), socket.socket(UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(waits)
        sock.sendto(state.encode(), path)
