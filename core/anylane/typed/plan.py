"""Plan: how a handler's parameters are found for each request, made once for each route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from inspect import isasyncgenfunction
from typing import TYPE_CHECKING, Any

from anylane.callables import called, is_coroutine_function
from anylane.http.values.faults import Fault, Invalid
from anylane.typed.answer_types import AnswerType
from anylane.typed.answers import Answer
from anylane.typed.arguments.code import function
from anylane.typed.arguments.lines import Lines, state_value
from anylane.typed.signature import Parameter
from anylane.typed.sources import State

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.routing.base_app import BaseApp


Read = Callable[["Context", list[Fault]], Awaitable[dict[str, Any]]]
"""Returns the arguments of a request by name, and adds to a list what is wrong with them. Raises
HTTPError 400, 413 or 415 for a body that cannot be read."""


class Plan:
    """Finds the arguments of one function, by functions that are written for it (`Lines`).

    needs: the dependencies, in the order in which they are made. answers: what its return
    annotation names, if it is a handler.
    """

    def __init__(
        self, parameters: tuple[Parameter, ...], names: Mapping[str, str], where: str
    ) -> None:
        self.parameters: tuple[Parameter, ...] = parameters
        self.needs: tuple[Any, ...] = ()
        self.answers: tuple[AnswerType, ...] = ()
        self._where = where
        self._lines = Lines(parameters, names, where)

    def without_request(self, app: BaseApp) -> dict[str, Any]:
        """Return the arguments of a dependency of the app: those of `State`."""
        return {
            each.name: state_value(each, app)
            for each in self.parameters
            if each.where == State.where
        }

    @cached_property
    def read(self) -> Read:
        """Return what reads the arguments of a request, for a function that is called later."""
        body = [*self._lines.lines, f"return {self._lines.as_dict()}"]
        read: Read = self._function("read", "async def read(ctx, faults):", body, {})
        return read

    def endpoint(
        self, func: Callable[..., Any], answer: Answer | None, *, inline: bool
    ) -> Callable[[Context], Awaitable[Any]]:
        """Return what runs a handler without dependencies, for the pipeline of a route. It raises
        Invalid, an HTTPError 422, for all faults of a request, and what `read` raises.

        answer: makes what it returns the response. inline: whether a plain `def` is called
        directly, and not in the pool.
        """
        lines = self._lines
        if is_coroutine_function(func):
            handler, call = func, f"handler({lines.as_keywords()})"
        else:
            handler, call = caller_of(func, inline=inline), f"handler(ctx, {lines.as_dict()})"
        body = lines.lines
        if lines.can_fail:
            body = ["faults = []", *body, "if faults:", "    raise Invalid(faults)"]
        if answer is not None:
            head, last = "async def endpoint(ctx):", f"return answer(ctx, await {call})"
        elif lines.has_body:
            head, last = "async def endpoint(ctx):", f"return await {call}"
        else:  # No coroutine but the handler's: parameters of the path alone cost nothing more.
            head, last = "def endpoint(ctx):", f"return {call}"
        names = {"handler": handler, "answer": answer, "Invalid": Invalid}
        endpoint: Callable[[Context], Awaitable[Any]]
        endpoint = self._function("endpoint", head, [*body, last], names)
        return endpoint

    def _function(self, name: str, head: str, body: list[str], names: Mapping[str, Any]) -> Any:
        return function(
            name, head, body, {**self._lines.names, **names}, f"anylane, for {self._where}"
        )


def caller_of(
    func: Callable[..., Any], *, inline: bool
) -> Callable[[Context, dict[str, Any]], Awaitable[Any]]:
    """Return what calls a handler with its arguments: in the pool if it is a plain `def`.

    inline: whether such a one is called directly.
    """
    if is_coroutine_function(func):
        return lambda _ctx, arguments: func(**arguments)
    if inline or isasyncgenfunction(called(func)):

        async def directly(_ctx: Context, arguments: dict[str, Any]) -> Any:
            return func(**arguments)

        return directly

    async def in_the_pool(ctx: Context, arguments: dict[str, Any]) -> Any:
        if not ctx.request.is_form_read:
            # Read in advance, so that a `def` handler never waits for the client.
            await ctx.request.body()
        return await ctx.run_handler(lambda _: func(**arguments))

    return in_the_pool
