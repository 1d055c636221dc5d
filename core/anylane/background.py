"""Background work: functions that run after a response, each with the context it was given in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NoReturn

from anylane.callables import is_coroutine_function
from anylane.errors import UsageError

if TYPE_CHECKING:
    from anylane.context import Context


class Job:
    """One function and its arguments."""

    __slots__ = ("_args", "func", "variables")

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if not callable(func):
            _refuse(func)
        self.func = func
        self._args = args
        self.variables = copy_context()

    async def run(self, ctx: Context) -> None:
        """A `def` in the pool, where `ctx.call` works."""
        if is_coroutine_function(self.func):
            await self.func(*self._args)
            return
        result = await ctx.run_handler(lambda _: self.func(*self._args))
        if hasattr(result, "__await__"):
            await result


def _refuse(given: object) -> NoReturn:
    if isinstance(given, Coroutine):
        given.close()  # Python would warn that it was never awaited, long after.
    raise UsageError(
        f"ctx.background() got {given!r:.80}; expected a function and its arguments: "
        "ctx.background(work, x), not ctx.background(work(x))"
    )
