"""BaseApp: what routing and handling know of an App.

An App is a Router that is served as a whole: it has a state in each server, and other apps can be
mounted in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from anylane.callables import function_of, is_coroutine_function, signature_problem
from anylane.errors import RouteError
from anylane.lane.life.state import State, state_of
from anylane.routing.hooks import Errors
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.router import Router, checked_prefix
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.routing.function_types import Context


class Mountable(Protocol):
    """What `app.mount` takes beside an App and a Router: something that serves all paths below its
    prefix, as StaticFiles does."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Return those that it answers, such as ("GET",); HEAD comes with GET."""
        ...

    async def handle(self, ctx: Context, path: str, /) -> Any:
        """Answer one request, as a handler does.

        path: what is behind the prefix, decoded, without the slash at its beginning; empty for the
        prefix itself. It is `ctx.params["path"]` too.
        """
        ...


class BaseApp(Router):
    """A router that is an application by itself. `App` is one, and the type of `ctx.app`.

    json_default: of its own routes; without it that of the app around it.
    """

    is_whole = True

    json_default: Callable[[Any], Any] | None

    def __init__(
        self,
        *,
        errors: Errors = "auto",
        body_limit: int | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(errors=errors, body_limit=body_limit, timeout=timeout)
        self.hooks.app = self

    @property
    def state(self) -> State:
        """Return the attributes that this app has in the server that runs here.

        Each server has its own, filled in a lifespan or startup hook: `app.state.db = ...`. All
        that runs in the server sees them: hooks, handlers, iterators, background work and jobs.
        Raise UsageError outside of a server.
        """
        return state_of(self)

    def mount(self, prefix: str, other: Router | Mountable, *, name: str = "") -> None:
        """Have everything below *prefix* answered by another App, a Router, or a `Mountable`.

        An App keeps what is its own: hooks, exception handlers, `errors=`, `json_default`, state,
        lifespan. This app's hooks run around it, and its response hooks see the answers. A Router
        is included.

        prefix: a pattern without a slash at its end; empty or '/' for the root.
        name: goes before the names of its routes for `path_for`, as in 'admin:home'; for a
            Mountable it is the name of the route.

        Raise RouteError for what cannot be mounted, for an App in itself or twice at one place, and
        if the routes do not fit together; RegistrationError if this app serves already.
        """
        prefix = checked_prefix("" if prefix == "/" else prefix)
        if isinstance(other, Router):
            if any(router is self and at == prefix for router, at, _ in other._mounts):
                raise RouteError(f"this one is mounted at {prefix or '/'!r} already; leave one out")
            self._attach(other, prefix, name and f"{name}:")
        elif _is_mountable(other):
            self._mount_handler(prefix, other, name)
        else:
            raise RouteError(_refusal(other))

    def _mount_handler(self, prefix: str, other: Mountable, name: str) -> None:
        async def serve(ctx: Any) -> Any:
            return await other.handle(ctx, ctx.params.setdefault("path", ""))

        serve.__wrapped__ = function_of(other.handle)  # type: ignore[attr-defined]  # for messages
        name = name or type(other).__name__
        methods = other.methods
        tail = f"{prefix}/{{path:path}}"
        paths = [prefix, tail] if prefix else [tail]
        for path in paths:
            Pattern.parse(path)
        for path in paths:
            self.route(path, methods, name=name, include_in_schema=False)(serve)
        talk = getattr(other, "talk", None)
        if talk is not None:
            for path in paths:
                self.websocket(path, name=f"{name} (WebSocket)")(talk)

    def has_name(self, name: str) -> bool:
        """Return whether a route has that name for `path_for`."""
        return self._table.has_name(name)


def _is_mountable(other: object) -> TypeGuard[Mountable]:
    """Return whether this is a Mountable. Raise RouteError for one that is not complete."""
    if isinstance(other, type) or not hasattr(other, "handle"):
        return False
    handle: Any = getattr(other, "handle")  # noqa: B009  # an attribute that `object` has not
    problem = "" if callable(handle) else f"is {shown(handle)}, no method"
    if not problem:
        problem = signature_problem(handle, "(ctx, path)")
    if not problem and not is_coroutine_function(handle):
        problem = "is no `async def`"
    if not problem and not hasattr(other, "methods"):
        problem = "has no `methods` beside it, such as ('GET',)"
    if problem:
        raise RouteError(f"mount() got {shown(other)}, whose handle(ctx, path) {problem}")
    return True


def _refusal(other: object) -> str:
    """Return why this cannot be mounted, and what can."""
    if isinstance(other, type):
        return f"mount() got the class {other.__name__}; write its parentheses"
    kind = ""
    if callable(other):
        kind = "; a WSGI application, which is a plain function, needs wsgi=True in that line"
    return (
        f"mount() got {shown(other)}; expected an App, a Router, or an object with "
        f"`async def handle(ctx, path)` and `methods`, such as StaticFiles{kind}"
    )
