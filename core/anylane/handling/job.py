"""Job: one function that is to run after a response, in the context variables it was given in.

An Ending is less: it is called before the connection's next exchange, with what became of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, NoReturn

from anylane.errors import UsageError
from anylane.shown import shown

Ending = Callable[[Any], object]
"""Takes the context of an exchange that is over, and does not block."""


class Job:
    """One function of `ctx.background` and its arguments. Raises UsageError for what is no
    function.

    variables: the context in which it was given.
    """

    __slots__ = ("args", "func", "variables")

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if not callable(func):
            _refuse(func)
        self.func: Callable[..., Any] = func
        self.args: tuple[Any, ...] = args
        self.variables: Context = copy_context()


def _refuse(given: object) -> NoReturn:
    if isinstance(given, Coroutine):
        given.close()  # Else Python warns that it was never awaited, but much later.
    raise UsageError(
        f"ctx.background() got {shown(given)}; expected a function and its arguments: "
        "ctx.background(work, x), not ctx.background(work(x))"
    )
