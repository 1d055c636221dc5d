"""What the decorators collect, and what they refuse in the line that is wrong."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from anylane.app import App
from anylane.errors import RouteError
from anylane.routing.route import Route
from anylane.routing.router import Router


async def page(ctx: Any) -> None: ...


async def other(ctx: Any) -> None: ...


def blocking(ctx: Any) -> None: ...


async def ticks(ctx: Any) -> AsyncIterator[int]:
    yield 1


def listing(router: Router) -> list[tuple[str, str]]:
    return [(",".join(sorted(r.methods)) or "WebSocket", str(r.pattern)) for r in router.routes]


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "head", "options"])
def test_each_method_has_a_decorator_that_returns_the_handler_unchanged(method: str) -> None:
    router = Router()
    decorate: Callable[[str], Callable[[Any], Any]] = getattr(router, method)
    assert decorate("/x")(page) is page
    assert listing(router) == [(method.upper(), "/x")]


def test_decorators_stack_on_one_handler_and_one_path() -> None:
    router = Router()

    @router.websocket("/x", subprotocols=["chat"])
    @router.route("/x", methods=["put", "PATCH"])
    @router.get("/x")
    @router.get("/y")
    async def handler(ctx: Any) -> None: ...

    assert listing(router) == [
        ("GET", "/y"),
        ("GET", "/x"),
        ("PATCH,PUT", "/x"),
        ("WebSocket", "/x"),
    ]
    assert all(route.handler is handler for route in router.routes)
    assert router.routes[-1].subprotocols == ("chat",)


def test_a_route_keeps_what_was_said_about_it() -> None:
    router = Router(host="API.example.com")
    guard = bool
    router.get(
        "/x", name="n", middleware=[around], inline=True, cancel_on_disconnect=True, when=guard
    )(blocking)
    (route,) = router.routes
    assert (route.name, route.middleware, route.when) == ("n", (around,), guard)
    assert (route.inline, route.cancel_on_disconnect, route.is_async) == (True, True, False)
    assert (route.host, route.hooks, route.websocket) == ("api.example.com", (router.hooks,), False)


async def around(ctx: Any, call_next: Any) -> None: ...


class Callable1:
    async def __call__(self, ctx: Any) -> None: ...


async def with_more(ctx: Any, more: Any) -> None: ...


def wrapped(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(ctx: Any) -> None: ...

    return wrapper


@pytest.mark.parametrize(
    ("handler", "is_async", "name"),
    [
        (page, True, "page"),
        (blocking, False, "blocking"),
        (ticks, True, "ticks"),
        (functools.partial(with_more, more=1), True, "with_more"),
        (functools.partial(blocking), False, "blocking"),
        (Callable1(), True, "Callable1"),
        (Callable1().__call__, True, "Callable1"),
        (wrapped(blocking), True, "blocking"),
        (functools.lru_cache(blocking), False, "blocking"),
        (wrapped(with_more), True, "with_more"),
        (lambda ctx: None, False, "<lambda>"),
        (lambda *args: None, False, "<lambda>"),
        (lambda ctx, page=1: None, False, "<lambda>"),
        (dict, False, "dict"),
        (print, False, "print"),
    ],
)
def test_a_route_knows_how_its_handler_is_called(
    handler: Callable[..., Any], is_async: bool, name: str
) -> None:
    router = Router()
    router.get("/x")(handler)
    (route,) = router.routes
    assert route.is_async is is_async
    assert route.name == name


def test_where_says_module_function_file_and_line() -> None:
    router = Router()
    router.get("/x")(functools.partial(wrapped(page)))
    line = page.__code__.co_firstlineno
    assert router.routes[0].where == f"{__name__}.page ({__file__}:{line})"


@pytest.mark.parametrize(
    ("register", "says"),
    [
        (lambda r: r.get("")(page), "the pattern is empty"),
        (lambda r: r.get("x")(page), "'x' does not start with '/'"),
        (lambda r: r.get(page), "write the path: @app.get('/path')"),
        (lambda r: r.get("/x")(None), "handler of '/x' is None"),
        (lambda r: r.get("/x")(lambda a, b: 1), "the parameter 'b' of "),
        (lambda r: r.get("/x", middleware=page), "expected a list: write middleware=[...]"),
        (lambda r: r.get("/x", middleware=["auth"]), "middleware of '/x' has 'auth', no function"),
        (lambda r: r.get("/x", body_limit=-1), "body_limit of '/x' is -1; expected a number of"),
        (lambda r: r.get("/x", body_limit=True), "body_limit of '/x' is True; expected a number"),
        (lambda r: r.get("/x", body_limit="1M"), "body_limit of '/x' is '1M'; expected a number"),
        (lambda r: r.get("/x", body_limit=2**41), "from 0, which allows no body, to 1099511627776"),
        (lambda r: r.get("/x", timeout=0), "timeout of '/x' is 0; expected seconds from 0.001"),
        (lambda r: r.get("/x", timeout=-1.0), "timeout of '/x' is -1.0; expected seconds"),
        (lambda r: r.get("/x", timeout=True), "timeout of '/x' is True; expected seconds"),
        (lambda r: r.get("/x", timeout="5"), "timeout of '/x' is '5'; expected seconds"),
        (lambda r: r.get("/x", timeout=float("nan")), "timeout of '/x' is nan; expected seconds"),
        (lambda r: r.get("/x", timeout=float("inf")), "to 31536000, or None for the time-out"),
        (lambda r: r.websocket("/x", timeout=0), "timeout of '/x' is 0; expected seconds"),
        (lambda r: r.websocket("/x", body_limit=9), "a WebSocket has messages and no body"),
        (lambda r: Router("/x", body_limit=-1), "body_limit of Router is -1"),
        (lambda r: App(timeout=0), "timeout of App is 0"),
        (lambda r: r.route("/x", methods=[])(page), "is empty; expected e.g. ['GET']"),
        (lambda r: r.route("/x", methods="GET")(page), "write ['GET']"),
        (lambda r: r.route("/x", methods=["GET /"])(page), "has 'GET /'"),
        (lambda r: r.get("/x", inline=True)(page), "leave out inline=True"),
        (lambda r: r.get("/x", when=page)(page), "would always count as true"),
        (lambda r: r.websocket("/x", subprotocols="chat")(page), "write ['chat']"),
        (lambda r: r.websocket("/x")(blocking), "would block one thread of the pool"),
        (lambda r: r.websocket("/x")(ticks), "not an `async def` (without `yield`)"),
        (lambda r: Router(prefix="api"), "does not start with '/'"),
        (lambda r: Router(prefix="/api/"), "prefix '/api/' ends with '/'"),
        (lambda r: Router(prefix="/{rest:path}").get("/x"), "must be the last segment"),
        (lambda r: Router(host="a.example:80"), "without a port"),
        (lambda r: Router(host="a.*.example"), "expected 'api.example.com' or '*.example.com'"),
        (lambda r: r.include(r), "cannot include itself"),
        (lambda r: r.include(page), "expected a Router"),
        (lambda r: r.include(App()), "its hooks, handlers and lifespan would be lost"),
        (lambda r: App().include(App()), "or mount it: app.mount('/prefix', other)"),
    ],
)
def test_what_cannot_work_is_refused_at_registration(
    register: Callable[[Any], object], says: str
) -> None:
    with pytest.raises(RouteError) as raised:
        register(Router())
    assert says in str(raised.value)


def test_an_unknown_option_is_an_error_in_the_line_that_has_it() -> None:
    with pytest.raises(TypeError, match="nam"):
        Router().get("/x", nam="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_duplicate_names_both_places() -> None:
    router = Router()
    router.get("/x")(page)
    with pytest.raises(RouteError) as raised:
        router.route("/x", methods=["POST", "GET"])(other)
    message = str(raised.value)
    assert message.startswith("GET '/x' of ")
    assert f"{__name__}.page ({__file__}:{page.__code__.co_firstlineno})" in message
    assert f"{__name__}.other ({__file__}:{other.__code__.co_firstlineno})" in message
    assert listing(router) == [("GET", "/x")]


def test_two_websocket_routes_with_one_pattern_are_duplicates() -> None:
    router = Router()
    router.websocket("/x")(page)
    router.get("/x")(page)
    with pytest.raises(RouteError, match=r"WebSocket '/x' of .*other .* already, by .*page"):
        router.websocket("/x")(other)


def test_indistinguishable_patterns_are_refused_whatever_their_methods_and_guards() -> None:
    router = Router()
    router.get("/x/{a}")(page)
    with pytest.raises(RouteError, match=r"'/x/{b}' of .*other .* matches the same paths as"):
        router.post("/x/{b}", when=bool)(other)


def test_guarded_routes_are_no_duplicates() -> None:
    router = Router()
    router.get("/x")(page)
    router.get("/x", when=bool)(other)
    router.get("/x", when=bool)(blocking)
    assert len(router.routes) == 3


def test_routes_of_different_hosts_are_no_duplicates() -> None:
    router = Router()
    router.get("/x")(page)
    for host in ("a.example", "b.example", "*.example"):
        part = Router(host=host)
        part.get("/x")(page)
        router.include(part)
    assert [route.host for route in router.routes] == [None, "a.example", "b.example", "*.example"]


def test_prefixes_add_up_from_the_outside_in() -> None:
    outer, middle, inner = Router("/a"), Router("/b"), Router("/{c}")
    inner.get("/d")(page)
    inner.get("/")(page)
    inner.get("")(page)
    middle.include(inner, prefix="/x")
    outer.include(middle)
    assert [str(r.pattern) for r in outer.routes] == [
        "/a/b/x/{c}/d",
        "/a/b/x/{c}/",
        "/a/b/x/{c}",
    ]
    assert outer.routes[0].hooks == (outer.hooks, middle.hooks, inner.hooks)
    assert middle.routes[0].hooks == (middle.hooks, inner.hooks)


def test_a_route_registered_after_include_is_included_too() -> None:
    outer, middle, inner = Router(), Router("/m"), Router("/i")
    outer.include(middle)
    middle.include(inner)
    inner.get("/late")(page)
    assert [str(route.pattern) for route in outer.routes] == ["/m/i/late"]


def test_a_conflict_between_included_routers_is_refused_where_it_arises() -> None:
    outer, one, two = Router(), Router(), Router()
    one.get("/x/{a}")(page)
    two.get("/x/{b}")(other)
    outer.include(one)
    with pytest.raises(RouteError, match="matches the same paths as"):
        outer.include(two)

    outer, late = Router(), Router()
    outer.get("/x")(page)
    outer.include(late)
    with pytest.raises(RouteError, match="registered already"):
        late.get("/x")(other)


def test_one_router_can_be_included_in_several_places() -> None:
    outer, part = Router(), Router()
    part.get("/x")(page)
    outer.include(part, "/v1")
    outer.include(part, "/v2")
    assert [str(route.pattern) for route in outer.routes] == ["/v1/x", "/v2/x"]
    with pytest.raises(RouteError, match="registered already"):
        outer.include(part, "/v2")


def test_routers_cannot_include_each_other_in_a_circle() -> None:
    one, two, three = Router(), Router(), Router()
    one.include(two)
    two.include(three)
    with pytest.raises(RouteError, match="cannot include itself"):
        three.include(one)


def test_the_host_of_the_outer_router_applies_unless_the_inner_has_its_own() -> None:
    outer, inner = Router(host="a.example"), Router()
    inner.get("/x")(page)
    outer.include(inner)
    assert outer.routes[0].host == "a.example"

    stranger = Router(host="b.example")
    stranger.get("/y")(page)
    with pytest.raises(RouteError, match=r"'b\.example'.*'a\.example'"):
        outer.include(stranger)


async def each(*args: Any) -> None: ...


@pytest.mark.parametrize(
    ("decorator", "hooks"),
    [
        ("request_middleware", "request"),
        ("response_middleware", "response"),
        ("middleware", "around"),
    ],
)
def test_hooks_sort_by_order_and_then_by_registration_over_all_routers(
    decorator: str, hooks: str
) -> None:
    one, two = Router(), Router()
    first, second, third, fourth = (functools.partial(each) for _ in range(4))
    assert getattr(one, decorator)(second) is second
    assert getattr(two, decorator)(order=-1)(first) is first
    assert getattr(two, decorator)()(third) is third
    assert getattr(one, decorator)(0)(fourth) is fourth
    merged = sorted([*getattr(one.hooks, hooks), *getattr(two.hooks, hooks)])
    assert [hook.func for hook in merged] == [first, second, third, fourth]
    assert [hook.order for hook in merged] == [-1, 0, 0, 0]


def test_routes_are_compared_by_identity_and_cannot_be_changed() -> None:
    router = Router()
    router.get("/x")(page)
    (route,) = router.routes
    assert len({route, *router.routes}) == 1
    with pytest.raises(AttributeError):
        route.name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    router.routes.clear()
    assert router.routes == [route]
    assert isinstance(route, Route)
