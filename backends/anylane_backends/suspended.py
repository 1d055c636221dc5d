"""A coroutine whose first step was made by hand, to see whether that was all of it."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from types import coroutine as native
from typing import Any


@native
def go_on(work: Coroutine[Any, Any, None], trap: Any) -> Generator[Any, Any, None]:
    """Await a coroutine that has made its first step and was suspended with `trap`."""
    try:
        while True:
            try:
                value = yield trap
            except BaseException as exc:  # noqa: BLE001  # A cancellation is the coroutine's.
                trap = work.throw(exc)
            else:
                trap = work.send(value)
    except StopIteration:
        pass
