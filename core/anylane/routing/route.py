"""One route: a pattern, a handler, and what was said about them at registration.

A Route decides nothing and calls nothing; it is checked when it is built, so that whoever reads
it later need not check again.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from anylane.callables import called, is_coroutine_function, location, name_of, signature_problem
from anylane.errors import RouteError
from anylane.routing.hooks import Hooks
from anylane.routing.origins import Origins
from anylane.routing.pattern import Pattern

Handler: TypeAlias = Callable[..., Any]
"""Takes the Context, or whatever typed extraction can supply by type and name."""


Middleware: TypeAlias = Callable[..., Any]


Predicate: TypeAlias = Callable[[Any], object]
"""A guard: takes the Context; what it returns is taken as true or false, at once (no `async`)."""


# RFC 9110 section 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """Raises `RouteError` when built, if the parts do not fit together."""

    pattern: Pattern
    handler: Handler
    methods: frozenset[str] = frozenset()
    """Upper case, without the HEAD and OPTIONS that come by themselves. Empty for a WebSocket."""
    websocket: bool = False
    name: str = ""
    """For `path_for`; the handler's own name unless given."""
    middleware: tuple[Middleware, ...] = ()
    inline: bool = False
    """A plain `def` that does not block: called directly instead of in a thread."""
    cancel_on_disconnect: bool = False
    when: Predicate | None = None
    subprotocols: tuple[str, ...] = ()
    origins: Origins | None = None
    """Of the pages that may open this WebSocket; `None`: any."""
    host: str | None = None
    """'api.example.com', '*.example.com', or `None`: any."""
    hooks: tuple[Hooks, ...] = ()
    """Of the routers that it is a part of, outermost first."""
    where: str = field(init=False)
    """'module.function (file:line)'."""
    is_async: bool = field(init=False)
    """A coroutine function, or an async generator function: to be called where awaiting is
    possible, and its result awaited or iterated."""

    def __post_init__(self) -> None:
        if not callable(self.handler):
            raise RouteError(
                f"the handler of {self.pattern.text!r} is {self.handler!r}, no function"
            )
        if problem := signature_problem(self.handler, "(ctx)"):
            raise RouteError(f"the handler {location(self.handler)} {problem}")
        coroutine = is_coroutine_function(self.handler)
        object.__setattr__(self, "where", location(self.handler))
        object.__setattr__(
            self, "is_async", coroutine or inspect.isasyncgenfunction(called(self.handler))
        )
        if not self.name:
            object.__setattr__(self, "name", name_of(self.handler))

        if self.websocket and not coroutine:
            raise RouteError(
                f"the WebSocket handler {self.where} is not an `async def` (without `yield`); a "
                f"plain function would block one thread of the pool for as long as the socket "
                f"is open; write `async def`, and ctx.run_sync() around what blocks"
            )
        if self.inline and self.is_async:
            raise RouteError(
                f"{self.where} is an `async def`, which never runs in a thread; "
                f"leave out inline=True"
            )
        if self.when is not None:
            _check_guard(self.when, self.where)

    def mounted(self, prefix: str, host: str | None, hooks: Hooks) -> Route:
        """Return the same route as a part of a router for that *host*, below *prefix*."""
        if self.host is not None and host not in (None, self.host):
            raise RouteError(
                f"{self.where} answers for the host {self.host!r}, but is included in a router "
                f"for {host!r}; leave out one of the two"
            )
        return replace(
            self,
            pattern=Pattern.parse(prefix + self.pattern.text),
            host=self.host if self.host is not None else host,
            hooks=(hooks, *self.hooks),
        )


def method_set(methods: Iterable[str], pattern: Pattern) -> frozenset[str]:
    """*methods* in upper case; raises `RouteError` if there is none, or one that is no token."""
    if isinstance(methods, str):
        raise RouteError(f"methods of {pattern.text!r} is {methods!r}; write [{methods!r}]")
    found = frozenset(method.upper() for method in methods)
    for method in found:
        if not _TOKEN.fullmatch(method):
            raise RouteError(f"methods of {pattern.text!r} has {method!r}; expected e.g. 'GET'")
    if not found:
        raise RouteError(f"methods of {pattern.text!r} is empty; expected e.g. ['GET']")
    return found


def middleware_chain(middleware: Iterable[Middleware], pattern: Pattern) -> tuple[Middleware, ...]:
    """*middleware* of one route, outermost first; raises `RouteError` for what is no list of it."""
    if callable(middleware):
        raise RouteError(
            f"middleware of {pattern.text!r} is {location(middleware)}; expected a list: write "
            "middleware=[...]"
        )
    chain = tuple(middleware)
    for each in chain:
        if not callable(each):
            raise RouteError(f"middleware of {pattern.text!r} has {each!r:.80}, no function")
        problem = not_async(each) or signature_problem(each, "(ctx, call_next)")
        if problem:
            raise RouteError(f"the middleware {location(each)} of {pattern.text!r} {problem}")
    return chain


def not_async(func: Middleware) -> str:
    """What is wrong with middleware that is a plain function, for a message; else empty."""
    if is_coroutine_function(func):
        return ""
    return (
        "is no `async def`; middleware is "
        "`async def name(ctx, call_next): ...; await call_next(); ...`"
    )


def _check_guard(guard: object, where: str) -> None:
    if not callable(guard):
        raise RouteError(
            f"the guard of {where} is {guard!r:.80}, no function: when=lambda ctx: ..."
        )
    if is_coroutine_function(guard):
        raise RouteError(
            f"the guard {location(guard)} of {where} is an `async def`, which would always count "
            "as true; write `def`"
        )
    if problem := signature_problem(guard, "(ctx)"):
        raise RouteError(f"the guard {location(guard)} of {where} {problem}")
