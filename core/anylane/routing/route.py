"""One route: a pattern, a handler, and what was said about them at registration.

A Route decides nothing and calls nothing. It is checked when it is built, so that no later reader
has to check it again.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from anylane.callables import called, is_coroutine_function, location, name_of, signature_problem
from anylane.errors import RouteError
from anylane.routing.bounds import NO_BOUNDS, Bounds
from anylane.routing.documentation import NO_DOCUMENTATION, Documentation, DocumentationOptions
from anylane.routing.hooks import Hooks
from anylane.routing.origins import Origins
from anylane.routing.parts import METHODS, check_part, is_part
from anylane.routing.patterns.pattern import Pattern
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.routing.function_types import Guard, RouteMiddleware

Handler: TypeAlias = Callable[..., Any]
"""Takes the Context."""

Middleware: TypeAlias = Any
"""An `async def` that takes the Context and `call_next`; or a part."""

Predicate: TypeAlias = Callable[[Any], object]
"""A guard: takes the Context and returns at once, without `async`, something true or false."""

# A token (RFC 9110 §5.6.2).
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class RouteOptions(DocumentationOptions, total=False):
    """What every HTTP decorator takes by keyword."""

    name: str | None
    """The name for `path_for`; the handler's own by default."""
    middleware: Iterable[RouteMiddleware]
    """Middleware for this route alone, outermost first."""
    inline: bool
    """Call a plain `def` directly instead of in a thread, because it does not block."""
    cancel_on_disconnect: bool | None
    """Cancel the handler once the client is gone."""
    when: Guard | None
    """A guard. A request that it refuses does not see this route."""
    body_limit: int | None
    """The most bytes of a request body, instead of `Limits.body`; more gets 413. 0 for none."""
    timeout: float | None
    """Seconds until the answer begins, instead of `request_timeout`; a later one gets 503."""
    status: int | None
    """The status of an answer that sets none, such as 201."""


class Outer(Protocol):
    """What a route needs to know of a router that it becomes a part of."""

    prefix: str
    host: str | None
    hooks: Hooks
    bounds: Bounds
    tags: tuple[str, ...]
    include_in_schema: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """A handler and the requests that it answers.

    Building one raises RouteError if its parts do not fit together.
    """

    pattern: Pattern
    """The paths that it answers."""
    handler: Handler
    """The function that answers."""
    methods: frozenset[str] = frozenset()
    """Upper case, without the HEAD and OPTIONS that are automatic. Empty for a WebSocket."""
    websocket: bool = False
    """Whether it answers WebSocket handshakes."""
    name: str = ""
    """The name for `path_for`: the handler's own unless another is given."""
    middleware: tuple[Middleware, ...] = ()
    """The middleware of this route alone, outermost first."""
    inline: bool = False
    """Whether a plain `def` is called directly instead of in a thread: it does not block."""
    cancel_on_disconnect: bool | None = None
    """Whether the handler is cancelled once the client is gone. None: a WebSocket handler is, once
    a foreign await has lasted `Timeouts.close` since then, and no other."""
    when: Predicate | None = None
    """The guard. A request that it refuses does not see this route."""
    subprotocols: tuple[str, ...] = ()
    """Those that the WebSocket speaks."""
    origins: Origins | None = None
    """The pages that may open this WebSocket. None stands for any."""
    host: str | None = None
    """'api.example.com', '*.example.com', or None for any."""
    bounds: Bounds = NO_BOUNDS
    """How large a body it takes and how long its handler may take, as far as it or a router says
    so."""
    hooks: tuple[Hooks, ...] = ()
    """The hooks of the routers that it is a part of, outermost first."""
    prefixes: tuple[str, ...] = ()
    """The prefix of each of those routers, as patterns."""
    status: int | None = None
    """The status of an answer that sets none."""
    endpoint: Callable[[Any], Awaitable[Any]] | None = None
    """What finds the arguments of a handler that takes more than the Context, and calls it."""
    plan: Any = None
    """How those arguments are found, and what the handler's return annotation names."""
    documentation: Documentation = NO_DOCUMENTATION
    """What was said about it for the OpenAPI description."""
    where: str = field(init=False)
    """Where the handler is: "module.function (file:line)"."""
    is_async: bool = field(init=False)
    """Whether the handler is a coroutine function or an async generator function. Such a one is
    called where awaiting is possible, and its result is awaited or iterated."""

    def __post_init__(self) -> None:
        if not callable(self.handler):
            raise RouteError(
                f"the handler of {self.pattern.text!r} is {self.handler!r}, no function"
            )
        if self.endpoint is None and (problem := signature_problem(self.handler, "(ctx)")):
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

    def mounted(self, prefix: str, router: Outer, names: str = "") -> Route:
        """Return the same route as one of *router*, below *prefix*. names: goes before its name.

        Raises RouteError if the router is for another host than the route.
        """
        host = router.host
        if self.host is not None and host not in (None, self.host):
            raise RouteError(
                f"{self.where} answers for the host {self.host!r}, but is included in a router "
                f"for {host!r}; leave out one of the two"
            )
        return replace(
            self,
            name=names + self.name,
            pattern=Pattern.parse(prefix + self.pattern.text),
            host=self.host if self.host is not None else host,
            bounds=self.bounds.inside(router.bounds),
            documentation=self.documentation.below(router),
            hooks=(router.hooks, *self.hooks),
            prefixes=(router.prefix, *(prefix + each for each in self.prefixes)),
        )


def checked_status(status: int | None, pattern: Pattern) -> int | None:
    """Return the status of a route. Raises RouteError for one that no answer has."""
    if status is not None and (
        # The hints do not keep out what other frameworks take.
        isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599  # type: ignore[redundant-expr]
    ):
        raise RouteError(
            f"status of {pattern.text!r} is {status!r}; expected an int from 200 to 599"
        )
    return status


def checked_subprotocols(subprotocols: Iterable[str], pattern: Pattern) -> tuple[str, ...]:
    """Return the subprotocols of a WebSocket. Raises RouteError for a text."""
    if isinstance(subprotocols, str):
        raise RouteError(
            f"subprotocols of {pattern.text!r} is {subprotocols!r}; write [{subprotocols!r}]"
        )
    return tuple(subprotocols)


def method_set(methods: Iterable[str], pattern: Pattern) -> frozenset[str]:
    """Return *methods* in upper case. Raises RouteError for none, and for one that is no token."""
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
    """Return the middleware of one route as a tuple, outermost first.

    Raises RouteError for what is no list of middleware.
    """
    if is_part(middleware):
        raise RouteError(
            f"middleware of {pattern.text!r} is {shown(middleware)}; write [...] around it"
        )
    if callable(middleware):
        raise RouteError(
            f"middleware of {pattern.text!r} is {location(middleware)}; expected a list: write "
            "middleware=[...]"
        )
    chain = tuple(middleware)
    for each in chain:
        if is_part(each) or (isinstance(each, type) and any(hasattr(each, n) for n in METHODS)):
            check_part(each, f"middleware of {pattern.text!r}")
            continue
        if not callable(each):
            raise RouteError(f"middleware of {pattern.text!r} has {each!r:.80}, no function")
        problem = not_async(each) or signature_problem(each, "(ctx, call_next)")
        if problem:
            raise RouteError(f"the middleware {location(each)} of {pattern.text!r} {problem}")
    return chain


def not_async(func: Middleware) -> str:
    """Return what is wrong with middleware that is a plain function, for a message; else ""."""
    if is_coroutine_function(func):
        return ""
    return (
        "is no `async def`; middleware is "
        "`async def name(ctx, call_next): ...; await call_next(); ...`"
    )


def _check_guard(guard: object, where: str) -> None:
    """Raise RouteError unless *guard* is a plain function that takes the Context."""
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
