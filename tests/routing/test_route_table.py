"""What a request is answered with: path first, method second, guards and hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from anylane.errors import RouteError
from anylane.routing.route_table import (
    Found,
    NotAllowed,
    Options,
    RouteTable,
    UpgradeRequired,
    parse_host,
)
from anylane.routing.router import Router


async def handler(ctx: Any) -> None: ...


def table_of(*routes: str, host: str | None = None) -> RouteTable:
    """'GET,POST /path name', WS for a WebSocket; a name with '?' has a guard."""
    router = Router(host=host)
    for text in routes:
        methods, path, *name = text.split()
        guard = bool if "?" in text else None
        if methods == "WS":
            router.websocket(path, name=text, when=guard)(handler)
        else:
            router.route(path, methods.split(","), name=" ".join(name) or text, when=guard)(handler)
    return RouteTable(router.routes)


def admitting(*names: str) -> Callable[[Found], bool]:
    return lambda found: found.route.name in names


def outcome(table: RouteTable, request: str, **options: Any) -> object:
    """The name of the route found, or the marker."""
    method, path = request.split()
    found = table.resolve(method, path, **options)
    return found.route.name if isinstance(found, Found) else found


def test_a_found_route_comes_with_its_parameters() -> None:
    table = table_of("GET /a", "GET /u/{id:int}/{name}")
    assert table.resolve("GET", "/a") == Found(table.routes[0], {})
    assert table.resolve("GET", "/u/1/x%20y") == Found(table.routes[1], {"id": 1, "name": "x y"})
    assert table.resolve("GET", "/b") is None


def test_two_requests_do_not_share_their_parameters() -> None:
    table = table_of("GET /a")
    first, second = table.resolve("GET", "/a"), table.resolve("GET", "/a")
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert first.params is not second.params


ALLOW_GET = ("GET", "HEAD", "OPTIONS")


@pytest.mark.parametrize(
    ("routes", "request_line", "expected"),
    [
        (["GET /u/me", "POST /u/{id}"], "POST /u/me", NotAllowed(ALLOW_GET)),
        (["GET /u/me", "POST /u/{id}"], "POST /u/you", "POST /u/{id}"),
        (["GET /u/me", "POST /u/{id}"], "GET /u/you", NotAllowed(("OPTIONS", "POST"))),
        (["GET /x", "POST /x"], "PUT /x", NotAllowed(("GET", "HEAD", "OPTIONS", "POST"))),
        (["GET /x"], "get /x", NotAllowed(ALLOW_GET)),
        (["GET /x"], "BREW /x", NotAllowed(ALLOW_GET)),
        (["BREW /x"], "BREW /x", "BREW /x"),
        (["GET,POST /x"], "POST /x", "GET,POST /x"),
        (["GET /{p}"], "PUT /x", NotAllowed(ALLOW_GET)),
        (["GET /x"], "HEAD /x", "GET /x"),
        (["GET /{p}"], "HEAD /x", "GET /{p}"),
        (["HEAD /x", "GET /x"], "HEAD /x", "HEAD /x"),
        (["HEAD /x"], "GET /x", NotAllowed(("HEAD", "OPTIONS"))),
        (["POST /x"], "HEAD /x", NotAllowed(("OPTIONS", "POST"))),
        (["GET /x"], "OPTIONS /x", Options(ALLOW_GET)),
        (["POST /{p}"], "OPTIONS /x", Options(("OPTIONS", "POST"))),
        (["GET /x", "OPTIONS /x"], "OPTIONS /x", "OPTIONS /x"),
        (["GET /x"], "OPTIONS /y", None),
        (["GET /x"], "OPTIONS *", None),
        (["WS /x"], "GET /x", UpgradeRequired()),
        (["WS /x"], "HEAD /x", UpgradeRequired()),
        (["WS /x"], "POST /x", NotAllowed(ALLOW_GET)),
        (["WS /x"], "OPTIONS /x", Options(ALLOW_GET)),
        (["WS /x", "POST /x"], "GET /x", UpgradeRequired()),
        (["WS /x", "GET /x"], "GET /x", "GET /x"),
    ],
)
def test_the_path_is_decided_before_the_method(
    routes: list[str], request_line: str, expected: object
) -> None:
    assert outcome(table_of(*routes), request_line) == expected
    assert outcome(table_of(*reversed(routes)), request_line) == expected


@pytest.mark.parametrize(
    ("routes", "path", "expected"),
    [
        (["WS /x", "GET /x"], "/x", "WS /x"),
        (["WS /x/{id}"], "/x/1", "WS /x/{id}"),
        (["WS /{id}", "GET /x"], "/x", None),
        (["WS /{id}", "GET /x"], "/y", "WS /{id}"),
        (["GET /x"], "/x", None),
        (["GET /x"], "/y", None),
    ],
)
def test_a_handshake_finds_the_websocket_of_the_path(
    routes: list[str], path: str, expected: str | None
) -> None:
    found = table_of(*routes).resolve_websocket(path)
    assert (found and found.route.name) == expected


GUARDED = ["GET /x a?", "GET /x b?", "GET /x c", "POST /x p?", "GET /{id} any"]


@pytest.mark.parametrize(
    ("routes", "request_line", "admitted", "expected"),
    [
        (GUARDED, "GET /x", ["a?", "b?"], "a?"),
        (GUARDED, "GET /x", ["b?"], "b?"),
        (GUARDED, "GET /x", [], "c"),
        (GUARDED, "HEAD /x", ["b?"], "b?"),
        (GUARDED, "POST /x", ["p?"], "p?"),
        (GUARDED, "POST /x", [], NotAllowed(ALLOW_GET)),
        (GUARDED, "PUT /x", ["p?"], NotAllowed(("GET", "HEAD", "OPTIONS", "POST"))),
        (GUARDED, "OPTIONS /x", [], Options(ALLOW_GET)),
        (["GET /x c", "GET /x a?"], "GET /x", ["a?"], "a?"),
        (["GET /x a?"], "GET /x", [], None),
        (["GET /x a?"], "POST /x", [], None),
        (["GET /x a?"], "OPTIONS /x", [], None),
        (["GET /x a?"], "POST /x", ["a?"], NotAllowed(ALLOW_GET)),
        (["GET /x a?", "GET /{id} any"], "GET /x", [], "any"),
        (["GET /x a?", "POST /x p"], "GET /x", [], NotAllowed(("OPTIONS", "POST"))),
        (["HEAD /x h?", "GET /x g"], "HEAD /x", [], "g"),
        (["WS /x ?"], "GET /x", [], None),
        (["WS /x ?"], "GET /x", ["WS /x ?"], UpgradeRequired()),
    ],
)
def test_a_route_whose_guard_says_no_is_not_there(
    routes: list[str], request_line: str, admitted: list[str], expected: object
) -> None:
    assert outcome(table_of(*routes), request_line, guard=admitting(*admitted)) == expected


def test_without_a_guard_to_ask_guarded_routes_are_closed() -> None:
    assert outcome(table_of("GET /x a?"), "GET /x") is None


def test_guards_are_asked_in_order_once_and_only_for_routes_that_have_one() -> None:
    asked: list[str] = []

    def guard(found: Found) -> bool:
        asked.append(found.route.name)
        return False

    assert outcome(table_of(*GUARDED), "GET /x", guard=guard) == "c"
    assert asked == ["a?", "b?"]
    asked.clear()
    assert outcome(table_of("GET /x a?", "POST /x p?"), "GET /x", guard=guard) is None
    assert asked == ["a?", "p?"]


@pytest.mark.parametrize(
    ("routes", "admitted", "expected"),
    [
        (["WS /x ?"], [], None),
        (["WS /x ?"], ["WS /x ?"], "WS /x ?"),
        (["WS /x ?", "WS /{id}"], [], "WS /{id}"),
        (["WS /x ?", "GET /x", "WS /{id}"], [], None),
        (["WS /x ?", "WS /x"], [], "WS /x"),
    ],
)
def test_websocket_routes_can_have_guards(
    routes: list[str], admitted: list[str], expected: str | None
) -> None:
    found = table_of(*routes).resolve_websocket("/x", guard=admitting(*admitted))
    assert (found and found.route.name) == expected


def hosts_table() -> RouteTable:
    router = Router()
    router.get("/x", name="any")(handler)
    router.get("/any", name="any")(handler)
    for host in ("a.example.com", "*.example.com", "*.b.example.com", "[::1]"):
        part = Router(host=host)
        part.get("/x", name=host)(handler)
        part.websocket("/x", name=host)(handler)
        router.include(part)
    return RouteTable(router.routes)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (None, "any"),
        ("", "any"),
        ("other.com", "any"),
        ("example.com", "any"),
        ("badexample.com", "any"),
        ("a.example.com", "a.example.com"),
        ("A.Example.COM:8080", "a.example.com"),
        ("a.example.com.", "a.example.com"),
        ("a.example.com.:80", "a.example.com"),
        ("a.example.com:", "a.example.com"),
        ("c.example.com", "*.example.com"),
        ("d.c.example.com", "*.example.com"),
        ("b.example.com", "*.example.com"),
        ("d.b.example.com", "*.b.example.com"),
        ("[::1]", "[::1]"),
        ("[::1]:8000", "[::1]"),
        ("x." * 5000 + "example.com", "any"),
    ],
)
def test_the_most_specific_host_is_looked_at_first(host: str | None, expected: str) -> None:
    table = hosts_table()
    assert outcome(table, "GET /x", host=host) == expected
    found = table.resolve_websocket("/x", host)
    assert (found.route.name if found else "any") == expected


def test_a_path_that_the_host_does_not_have_is_looked_for_without_a_host() -> None:
    assert outcome(hosts_table(), "GET /any", host="a.example.com") == "any"


def test_a_path_that_the_host_has_is_decided_there() -> None:
    assert outcome(hosts_table(), "PUT /x", host="a.example.com") == NotAllowed(ALLOW_GET)


@pytest.mark.parametrize(
    "host", ["", "*", "*.", "a b", "a:80", "http://a", "a/b", "a.*", "*a.b", "caf\u00e9.fr", "::1"]
)
def test_a_host_pattern_is_a_name_perhaps_with_a_star_in_front(host: str) -> None:
    with pytest.raises(RouteError, match="host is "):
        parse_host(host)


def test_path_for_finds_the_route_by_name_and_parameters() -> None:
    router = Router()

    @router.get("/users")
    @router.get("/users/{id:int}")
    @router.post("/users/{id:int}")
    async def users(ctx: Any) -> None: ...

    router.get("/n/{name}", name="named")(handler)
    table = RouteTable(router.routes)
    assert table.path_for("users") == "/users"
    assert table.path_for("users", id=7) == "/users/7"
    assert table.path_for("named", name="a b") == "/n/a%20b"


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("missing", {}, "there is no route called 'missing'"),
        ("one", {}, "needs the parameters 'a', got none"),
        ("two", {"b": 1}, "0 of the routes called 'two' take the parameters ['b'], expected one"),
        ("two", {"a": 1}, "2 of the routes called 'two'"),
    ],
)
def test_path_for_says_why_it_cannot(name: str, params: dict[str, Any], says: str) -> None:
    table = table_of("GET /1/{a} one", "GET /2/{a} two", "GET /3/{a} two")
    with pytest.raises(RouteError) as raised:
        table.path_for(name, **params)
    assert says in str(raised.value)


def test_a_table_refuses_what_a_router_refuses() -> None:
    one, two = Router(), Router()
    one.get("/x/{a}")(handler)
    two.get("/x/{b}")(handler)
    with pytest.raises(RouteError, match="matches the same paths as"):
        RouteTable([*one.routes, *two.routes])
