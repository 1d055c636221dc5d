"""Calling hooks: `def` or `async def`, told apart once, when the app is frozen."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.route import is_coroutine_function, misfit, place

if TYPE_CHECKING:
    from anylane.context import Context


class Stop(Enum):
    """Returned by a request or response hook: the pipeline ends here."""

    STOP = auto()


STOP = Stop.STOP

Call = tuple[Callable[..., Any], bool]
"""A function, and whether what it returns is to be awaited."""


def check_hook(func: object, decorator: str, *forms: str) -> None:
    """Raises UsageError for what nobody could call: the decorator got something else, or a function
    with other parameters. forms: those that it may have, such as "(ctx)"."""
    if not callable(func):
        raise UsageError(
            f"@app.{decorator} got {func!r:.80}; expected a function: write @app.{decorator} "
            "in the line above it"
        )
    if problem := misfit(func, *forms):
        raise UsageError(f"the hook {place(func)} of @app.{decorator} {problem}")


def call_of(func: Callable[..., Any]) -> Call:
    return func, is_coroutine_function(func)


def calls_of(funcs: Iterable[Callable[..., Any]]) -> tuple[Call, ...]:
    return tuple(call_of(func) for func in funcs)


async def run_call(call: Call, *args: Any) -> Any:
    """Call it, and await what it returns where that is needed. A `def` is called right here, so
    it must not block."""
    func, is_async = call
    result = func(*args)
    if is_async or (result is not None and hasattr(result, "__await__")):
        return await result
    return result


async def run_until_stop(calls: tuple[Call, ...], ctx: Context) -> bool:
    """Call hooks in order; True if one has returned STOP."""
    for call in calls:
        func, is_async = call
        result = await func(ctx) if is_async else func(ctx)
        if result is None:
            continue
        if not is_async and hasattr(result, "__await__"):
            result = await result
        if result is STOP:
            return True
        if result is not None:
            raise UsageError(
                f"the hook {place(func)} returned {result!r:.80}; expected None or STOP. To "
                "answer, set ctx.response and return STOP"
            )
    return False


def taking(func: Callable[..., Any], most: int) -> int:
    """How many positional arguments it can be given, at most `most`."""
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):  # A builtin without a signature.
        return most
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return most
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return min(most, sum(each.kind in positional for each in parameters))
