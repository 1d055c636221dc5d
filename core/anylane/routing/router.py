"""Router: the decorators that register routes and hooks.

A Router only collects. It refuses what cannot work at once, in the line that is wrong, and never
looks at a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Unpack, overload

from anylane.callables import location
from anylane.errors import RouteError, UsageError
from anylane.routing.bounds import Bounds, checked_bounds, refuse_body_limit
from anylane.routing.documentation import (
    DocumentationOptions,
    checked_documentation,
    checked_inclusion,
    checked_tags,
)
from anylane.routing.hooks import Errors, Hook, Hooks, check_exception_class, check_hook
from anylane.routing.origins import parse_origins
from anylane.routing.parts import check_part, name_of_part
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.route import (
    Handler,
    Route,
    RouteOptions,
    checked_status,
    checked_subprotocols,
    method_set,
    middleware_chain,
    not_async,
)
from anylane.routing.route_table import Place, RouteTable, parse_host
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.routing.function_types import (
        AroundHook,
        E,
        ExceptionDecorator,
        Guard,
        Part,
        RequestHook,
        RouteMiddleware,
        SocketHandler,
    )

H = TypeVar("H", bound=Handler)
F = TypeVar("F", bound=Callable[..., Any])

# One for all routers, so that hooks of equal order run in the order of their registration.
_registrations = count()


class Router:
    """Routes below one *prefix*, for one *host* if one is given.

    Register with the decorators, which return the handler unchanged and can be stacked. Then
    `include` the router in another one or in the App. Everything that cannot work raises RouteError
    in the line that registers it; registering on an App that serves raises RegistrationError.

    prefix: empty, or a pattern such as '/api' or '/{tenant}', without a slash at its end.
    host: 'api.example.com' or '*.example.com', without a port; None for any.
    errors: how an HTTPError of its routes is written: "json" (problem+json, RFC 9457), "text", or
        "auto": as the router around it says, and else as the client's Accept does (RFC 9110
        §12.5.1). Without a preference it is JSON where the error carries data, where the request
        does, and where the handler's annotation says that it returns JSON; else text.
    tags: of all its routes, for the OpenAPI description. include_in_schema: whether they are in it.
    """

    resolve: ClassVar[Callable[[object, Mapping[str, Any]], Mapping[str, Any]]] = staticmethod(
        lambda _handler, _options: {}
    )
    """Return what is to be known of a route because of its handler's parameters. It is given the
    handler and the other fields of the Route; `anylane.typed` sets it."""

    is_whole = False
    """Whether it is an application by itself, with more than routes and their hooks."""

    def __init__(
        self,
        prefix: str = "",
        host: str | None = None,
        *,
        errors: Errors = "auto",
        body_limit: int | None = None,
        timeout: float | None = None,
        tags: Iterable[str] = (),
        include_in_schema: bool = True,
    ) -> None:
        self.prefix: str = checked_prefix(prefix)
        self.bounds: Bounds = checked_bounds(body_limit, timeout, type(self).__name__)
        self.host: str | None = None if host is None else parse_host(host)
        self.hooks: Hooks = Hooks(errors)
        self.tags: tuple[str, ...] = checked_tags(tags, type(self).__name__)
        self.include_in_schema: bool = checked_inclusion(include_in_schema, type(self).__name__)
        self._routes: list[Route] = []
        self._mounts: list[tuple[Router, str, str]] = []
        """The routers that this one is a part of, with the prefix and the names there."""
        self._table = RouteTable()

    @property
    def routes(self) -> list[Route]:
        """All routes, those of included routers too, in order of registration."""
        return list(self._routes)

    def path_for(self, name: str, /, **params: object) -> str:
        """Return the percent-encoded path of the route of that name. Raise RouteError where there
        is none, and for parameters that it does not take."""
        return self._table.path_for(name, **params)

    def place_of(self, name: str, /, **params: object) -> Place:
        """Return the same path with the host of its route. Raise RouteError as `path_for` does, and
        if routes of that name have several hosts."""
        return self._table.place_of(name, **params)

    def get(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Return a decorator that registers a handler for GET, and so for HEAD."""
        return self.route(path, ["GET"], **options)

    def post(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Return a decorator that registers a handler for POST."""
        return self.route(path, ["POST"], **options)

    def put(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Return a decorator that registers a handler for PUT."""
        return self.route(path, ["PUT"], **options)

    def patch(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Return a decorator that registers a handler for PATCH."""
        return self.route(path, ["PATCH"], **options)

    def delete(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Return a decorator that registers a handler for DELETE."""
        return self.route(path, ["DELETE"], **options)

    def head(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Return a decorator that registers a handler for HEAD, instead of the one for GET."""
        return self.route(path, ["HEAD"], **options)

    def options(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Return a decorator that registers a handler for OPTIONS, instead of the automatic one."""
        return self.route(path, ["OPTIONS"], **options)

    def route(
        self,
        path: str,
        methods: Iterable[str],
        *,
        name: str | None = None,
        middleware: Iterable[RouteMiddleware] = (),
        inline: bool = False,
        cancel_on_disconnect: bool | None = None,
        when: Guard | None = None,
        status: int | None = None,
        body_limit: int | None = None,
        timeout: float | None = None,
        **documentation: Unpack[DocumentationOptions],
    ) -> Callable[[H], H]:
        """Return a decorator that registers a handler for several methods.

        Raises RouteError for a malformed pattern or option, and if another route answers the same
        requests.

        path: a pattern (see `Pattern`), added to the prefix. It may be empty if the prefix is not.
        methods: such as ["GET", "POST"].
        name: the name for `path_for`; the handler's own by default.
        middleware: for this route alone, outermost first.
        inline: call a plain `def` directly instead of in a thread, because it does not block.
        cancel_on_disconnect: cancel the handler once the client is gone.
        when: a guard. A request that it refuses does not see this route.
        status: of an answer that sets none, such as 201.
        body_limit, timeout: as of `Router`, for this route alone.
        documentation: for the OpenAPI description, see `DocumentationOptions`.
        """
        pattern = self._pattern(path)
        return self._decorator(
            partial(
                Route,
                pattern=pattern,
                status=checked_status(status, pattern),
                methods=method_set(methods, pattern),
                name=name or "",
                middleware=middleware_chain(middleware, pattern),
                inline=inline,
                cancel_on_disconnect=cancel_on_disconnect,
                when=when,
                bounds=checked_bounds(body_limit, timeout, repr(pattern.text)).inside(self.bounds),
                documentation=checked_documentation(documentation, pattern.text, self),
            )
        )

    def websocket(
        self,
        path: str,
        subprotocols: Iterable[str] = (),
        *,
        origins: Iterable[str | None] | None = None,
        name: str | None = None,
        middleware: Iterable[RouteMiddleware] = (),
        cancel_on_disconnect: bool | None = None,
        when: Guard | None = None,
        body_limit: None = None,
        timeout: float | None = None,
        **documentation: Unpack[DocumentationOptions],
    ) -> Callable[[SocketHandler], SocketHandler]:
        """Return a decorator that registers an `async def` handler for WebSockets (RFC 6455).

        Raises RouteError as `route` does, and for a plain `def`: it would block a thread of the
        pool for as long as the socket is open.

        subprotocols: those that it speaks. The client's first choice among them is accepted.
        origins: the pages that may open it, such as 'https://example.com'; any other gets 403
            (§10.2). 'same-origin' stands for the host of the request, None for clients that send no
            Origin, which browsers always do. Without *origins* every page may.
        name: the name for `path_for`; the handler's own by default.
        middleware: for this route alone, outermost first.
        cancel_on_disconnect: whether an await of something else than `ctx` is cancelled once the
            client is gone: True at once, False never, None once it has lasted `Timeouts.close`
            since then or since the last message was taken. Not on lanes without an event loop.
        when: a guard. A handshake that it refuses does not see this route.
        body_limit: refused, because a WebSocket has no body: `Limits.message` bounds its messages.
        timeout: seconds until the handshake is accepted or answered, as of `Router`.
        documentation: for the OpenAPI description, see `DocumentationOptions`.
        """
        pattern = self._pattern(path)
        refuse_body_limit(body_limit, repr(pattern.text))
        return self._decorator(
            partial(
                Route,
                pattern=pattern,
                websocket=True,
                name=name or "",
                middleware=middleware_chain(middleware, pattern),
                cancel_on_disconnect=cancel_on_disconnect,
                when=when,
                bounds=checked_bounds(None, timeout, repr(pattern.text)).inside(self.bounds),
                subprotocols=checked_subprotocols(subprotocols, pattern),
                origins=None if origins is None else parse_origins(origins, pattern.text),
                documentation=checked_documentation(documentation, pattern.text, self),
            )
        )

    def include(self, router: Router, prefix: str = "") -> None:
        """Make the routes of *router* routes of this one, below *prefix*.

        That holds for routes that it gets later too. Its hooks stay its own and apply to its routes
        only. Raises RouteError for an App, which has more to it than that, and if the routes do not
        fit together: this router is of no use then. Raises RegistrationError if the App serves.
        """
        if not isinstance(router, Router):
            raise RouteError(f"include() got {router!r:.80}; expected a Router")
        if router.is_whole:
            raise RouteError(
                "include() got an App; its hooks, handlers and lifespan would be lost. Make it a "
                "Router, or mount it: app.mount('/prefix', other)"
            )
        self._attach(router, checked_prefix(prefix))

    def _attach(self, router: Router, prefix: str, names: str = "") -> None:
        """Make the routes of *router* routes of this one. names: goes before their names."""
        self._check_open("a router")
        if router is self or router in self._above():
            raise RouteError("a router cannot include itself, directly or through another")
        prefix = self.prefix + prefix
        for route in router.routes:
            self._register(route.mounted(prefix, self, names))
        router._mounts.append((self, prefix, names))

    @overload
    def request_middleware(self, order: int = 0) -> Callable[[RequestHook], RequestHook]: ...
    @overload
    def request_middleware(self, order: RequestHook, /) -> RequestHook: ...
    def request_middleware(self, order: Any = 0) -> Any:
        """Register a hook `(ctx)` that runs before the handler. Lower orders run first.

        Returning STOP ends the pipeline with the response as it stands. Raises UsageError for what
        is no such function, and RegistrationError if the App serves already.
        """
        return self._hook(self.hooks.request, order, "request_middleware")

    @overload
    def response_middleware(self, order: int = 0) -> Callable[[RequestHook], RequestHook]: ...
    @overload
    def response_middleware(self, order: RequestHook, /) -> RequestHook: ...
    def response_middleware(self, order: Any = 0) -> Any:
        """Register a hook `(ctx)` that runs after the handler. Lower orders run first.

        Returning STOP ends the pipeline with the response as it stands. Raises UsageError for what
        is no such function, and RegistrationError if the App serves already.
        """
        return self._hook(self.hooks.response, order, "response_middleware")

    @overload
    def middleware(self, order: int = 0) -> Callable[[AroundHook], AroundHook]: ...
    @overload
    def middleware(self, order: AroundHook, /) -> AroundHook: ...
    def middleware(self, order: Any = 0) -> Any:
        """Register a hook `(ctx, call_next)` that runs around the rest. Lower orders are outermost.

        It must be an `async def`. Raises UsageError for what is no such function, and
        RegistrationError if the App serves already.
        """
        return self._hook(self.hooks.around, order, "middleware")

    def use(self, part: Part, order: int = 0) -> None:
        """Have a part see every request of this router, and every answer.

        A part is an object with one or more of these methods: `request(ctx)` before the handler,
        where STOP ends the pipeline; `async def around(ctx, call_next)`; `response(ctx)` when the
        answer goes out; and `body(ctx)`, which returns None or a `Transform` of the answer's body.
        Requests pass parts in ascending order, those of outer routers first; answers pass them in
        the opposite order. Raise UsageError for what is no part, and RegistrationError if the App
        serves already.
        """
        check_part(part, "use()")
        if not isinstance(order, int):
            raise UsageError(f"the order of a part is {shown(order)}; expected an int")
        self._check_open(name_of_part(part))
        self.hooks.parts.append(Hook(order, next(_registrations), part))

    def exception_handler(self, kind: type[E]) -> ExceptionDecorator[E]:
        """Register `handler(ctx, exc)`, which answers exceptions of class `kind`.

        It answers subclasses too; the handler of the nearest class wins. Those of a router answer
        what its own routes and hooks raise, and the 404 and 405 of what lies below its prefix; an
        inner router is asked before the one around it, and the App last. It may set `ctx.response`,
        which begins empty, with the status of an HTTPError or with 500. It may also return what a
        route's handler may return. A handler that fails itself is one logged 500.

        The handler for `Exception` is the panic hook: it answers what no other handler of its
        router or of an inner one does, and the exception is logged. It is not asked for an
        HTTPError, which is an answer and no bug.

        Raise UsageError if `kind` is no class of exceptions.
        """
        check_exception_class(kind)

        def register(func: Any) -> Any:
            check_hook(func, f"exception_handler({kind.__name__})", "(ctx, exc)")
            self._check_open(location(func))
            self.hooks.answer(kind, func)
            return func

        return register

    def _decorator(self, make: partial[Route]) -> Callable[[H], H]:
        """Return a decorator that registers the route that *make* builds.

        make: takes the handler and where it is registered, by keyword.
        """

        def register(handler: H) -> H:
            self._register(
                make(
                    handler=handler,
                    host=self.host,
                    hooks=(self.hooks,),
                    prefixes=(self.prefix,),
                    **Router.resolve(handler, make.keywords),
                )
            )
            return handler

        return register

    def _pattern(self, path: str) -> Pattern:
        """Return the pattern of *path* below the prefix."""
        if not self.prefix:
            return Pattern.parse(path)
        if path != "":
            Pattern.parse(path)  # By itself first: its message shows what was written here.
        return Pattern.parse(self.prefix + path)

    def _register(self, route: Route) -> None:
        """Add a route, here and to each router that this one is included in."""
        for router, prefix, names in self._mounts:
            router._register(route.mounted(prefix, router, names))
        self._table.add(route)
        self._routes.append(route)

    def _hook(self, hooks: list[Hook], order: F | int, decorator: str) -> F | Callable[[F], F]:
        """Register a hook, or return a decorator that does."""

        def register(func: F, order: int = 0) -> F:
            around = hooks is self.hooks.around
            check_hook(func, decorator, "(ctx, call_next)" if around else "(ctx)")
            if around and (problem := not_async(func)):
                raise UsageError(f"the hook {location(func)} of @app.{decorator} {problem}")
            self._check_open(location(func))
            hooks.append(Hook(order, next(_registrations), func))
            return func

        return partial(register, order=order) if isinstance(order, int) else register(order)

    def _check_open(self, what: str) -> None:
        """Raise RegistrationError if an App that this router is a part of serves already."""
        for router, *_ in self._mounts:
            router._check_open(what)

    def _above(self) -> list[Router]:
        """Return every router that this one is included in, at any depth."""
        above = [router for router, *_ in self._mounts]
        return above + [higher for router in above for higher in router._above()]


def checked_prefix(prefix: str) -> str:
    """Return *prefix*. Raise RouteError if it is no pattern or ends with a slash."""
    if prefix:
        Pattern.parse(prefix)
        if prefix.endswith("/"):
            raise RouteError(
                f"prefix {prefix!r} ends with '/'; the routes bring their own: "
                f"write {prefix.rstrip('/')!r}"
            )
    return prefix
