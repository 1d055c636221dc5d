"""Whether SIGHUP asks for a reload: an operator sends it for that, but a closing terminal does too.

Signals and Supervisor both ask, so that neither reloads because a window was closed.
"""

from __future__ import annotations

import os


class Terminal:
    """The terminal that this process was started from, if it was."""

    def __init__(self) -> None:
        self._had = _has()

    def is_gone(self) -> bool:
        """Return whether there was a terminal at the start and there is none now."""
        return self._had and not _has()


def _has() -> bool:
    # Not isatty(0): standard input may come from elsewhere. Opening /dev/tty fails for a process
    # without a controlling terminal (tty(4)), and the kernel takes it away at the hang-up.
    flags = os.O_RDWR | getattr(os, "O_NOCTTY", 0)  # Windows has neither the flag nor the file.
    try:
        os.close(os.open("/dev/tty", flags))
    except OSError:
        return False
    return True
