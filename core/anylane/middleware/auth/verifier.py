"""Verifier: how an application's `verify` is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anylane.callables import is_coroutine_function, location, signature_problem
from anylane.errors import HTTPError, UsageError
from anylane.http.response import Response
from anylane.routing.hooks import Stop
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context


class Verifier:
    """Calls a function of the application's with credentials.

    func: `def` or `async def`. owner: the part, for messages. parameters: what it takes, such as
    "token"; `ctx` may stand in front. inline: whether a `def` is called directly, because it does
    not block; else it runs in the pool, as handlers do.
    """

    __slots__ = ("_func", "_in_pool", "_takes_ctx")

    def __init__(
        self, func: Callable[..., Any], *, owner: str, parameters: str, inline: bool
    ) -> None:
        plain, with_ctx = f"({parameters})", f"(ctx, {parameters})"
        if not callable(func):
            raise UsageError(
                f"{owner} got {shown(type(func))}; expected a function {plain} or {with_ctx} that "
                "returns what ctx.user will be, or None to refuse"
            )
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            raise UsageError(
                f"{location(func)} has a `yield`; {owner} expects a function that returns"
            )
        if problem := signature_problem(func, plain, with_ctx):
            raise UsageError(f"the function {location(func)} of {owner} {problem}")
        is_async = is_coroutine_function(func)
        if inline and is_async:
            raise UsageError(
                f"{location(func)} is an `async def`, which never runs in a thread; leave out "
                "inline=True"
            )
        self._func = func
        self._takes_ctx = bool(signature_problem(func, plain))
        self._in_pool = not is_async and not inline

    async def __call__(self, ctx: Context, *credentials: str | None) -> Any:
        """Return what the function returns, awaited where that is needed. Raise what it raises, an
        HTTPError that it returns, and UsageError for any other answer: none may pass for a user."""
        args = (ctx, *credentials) if self._takes_ctx else credentials
        if self._in_pool:
            result = await ctx.run_sync(self._func, *args)
        else:
            result = self._func(*args)
        if hasattr(result, "__await__"):  # Also of a `def`: a coroutine is no user.
            result = await result
        if isinstance(result, HTTPError):
            raise result
        if isinstance(result, Response | Stop):
            raise UsageError(
                f"{location(self._func)} returned {shown(result)}; expected a user, or None to "
                "refuse. To answer otherwise, raise an HTTPError"
            )
        return result


def is_refusal(user: object) -> bool:
    """Return whether what `verify` returned refuses the request: None, or False, which is what a
    comparison returns."""
    return user is None or user is False
