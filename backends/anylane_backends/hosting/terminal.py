"""Whether SIGHUP is an order or a farewell: an operator sends it, and so does a terminal that goes.

Both Signals and Supervisor ask; neither may take a closed window for a wish to reload.
"""

from __future__ import annotations

import os


class Terminal:
    """The terminal that this process was started from, if it was."""

    def __init__(self) -> None:
        self._had = _has()

    def is_gone(self) -> bool:
        """There was one, and there is none any more."""
        return self._had and not _has()


def _has() -> bool:
    # Not isatty(0): standard input may come from elsewhere. tty(4): opening /dev/tty fails for who
    # has no controlling terminal, and the kernel takes it away when it hangs up.
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
