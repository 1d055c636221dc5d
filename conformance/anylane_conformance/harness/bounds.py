"""Bounds: a case that never ends is left behind, and the run goes on with the next one."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable

BOUND = 90.0
"""Seconds that one case may take, however it waits. The longest takes 8 of them on a machine with
four times the work that it can do."""

left_behind: list[str] = []
"""The cases that have not ended. What they started may keep the process from ending by itself."""


class Stuck(AssertionError):
    """A case has not ended within its bound."""


def bounded(func: Callable[[], None], name: str, seconds: float = BOUND) -> None:
    """Call a function in a thread of its own, and raise what it raises.

    Raises Stuck, with the place where each thread that began meanwhile is now, if it has not
    returned after so many seconds. It is left behind then: all its threads are daemons, as what a
    daemon starts is one too.
    """
    before = set(threading.enumerate())
    errors: list[BaseException] = []

    def call() -> None:
        try:
            func()
        except BaseException as exc:  # noqa: BLE001  # it is raised in the calling thread
            errors.append(exc)

    thread = threading.Thread(target=call, name=f"case {name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        left_behind.append(name)
        stacks = stacks_of([each for each in threading.enumerate() if each not in before])
        raise Stuck(f"the case has not ended after {seconds:g} seconds\n{stacks}")
    if errors:
        raise errors[0]


def stacks_of(threads: list[threading.Thread]) -> str:
    """Return where each of the threads is now, as in a traceback."""
    frames = sys._current_frames()
    parts = []
    for thread in threads:
        frame = frames.get(thread.ident or 0)
        if frame is not None:
            parts.append(f"thread {thread.name!r} is here:\n")
            parts += traceback.format_stack(frame)
    return "".join(parts)
