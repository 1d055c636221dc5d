"""Exception handlers of routers, and how errors are written where no route answers."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import App, Context, HTTPError, MissingValue, Router, UsageError
from anylane.errors import RegistrationError
from anylane.testing import TestClient


def kind(answer: Any) -> str:
    return str(answer.headers["content-type"]).partition(";")[0]


def test_errors_without_a_route_are_written_as_the_router_above_says() -> None:
    app = App(errors="text")
    outer = Router("/{tenant}", errors="json")
    inner = Router("/plain", errors="text")

    async def page(ctx: Context) -> str:
        return "page"

    for router in (app, outer, inner):
        router.get("/page")(page)
    outer.include(inner)
    app.include(outer)
    client = TestClient(app)
    for path, expected in (
        ("/nowhere", "application/problem+json"),  # Below the prefix "/{tenant}" itself.
        ("/a/nowhere", "application/problem+json"),
        ("/a/plain/nowhere", "text/plain"),
        ("/a/plainer/nowhere", "application/problem+json"),
    ):
        assert kind(client.get(path)) == expected, path
    assert kind(client.put("/a/page")) == "application/problem+json"
    assert kind(client.put("/a/plain/page")) == "text/plain"
    assert kind(client.put("/page")) == "application/problem+json"


def test_a_failing_hook_without_a_route_is_named_and_written_as_its_router_says() -> None:
    app = App(errors="text")
    router = Router("/api", errors="json")
    router.get("/page")(lambda ctx: "page")

    @router.request_middleware
    def broken(ctx: Context) -> None:
        raise OSError

    app.include(router)
    client = TestClient(app)
    answer = client.get("/api/nowhere")
    assert (answer.status, kind(answer)) == (500, "application/problem+json")
    assert "broken (" in client.log[-1].message


def test_the_nearest_class_of_the_innermost_router_wins() -> None:
    app, outer, inner = App(), Router("/outer"), Router("/inner")
    said: list[str] = []

    def note(router: Router, name: str, *classes: type[Exception]) -> None:
        for each in classes:

            def handler(ctx: Context, exc: Exception, each: type[Exception] = each) -> str:
                said.append(f"{name} {each.__name__}")
                return "dealt with"

            router.exception_handler(each)(handler)

    note(app, "app", Exception, KeyError, HTTPError)
    note(outer, "outer", LookupError, Exception, HTTPError)
    note(inner, "inner", ArithmeticError, MissingValue)
    raised: list[Exception] = []

    @inner.get("/")
    @outer.get("/")
    @app.get("/")
    async def fail(ctx: Context) -> None:
        raise raised[0]

    outer.include(inner)
    app.include(outer)
    client = TestClient(app)

    def who(exc: Exception) -> list[str]:
        raised[:] = [exc]
        said.clear()
        for path in ("/outer/inner/", "/outer/", "/"):
            assert client.get(path).text == "dealt with"
        return said.copy()

    assert who(KeyError()) == ["outer LookupError", "outer LookupError", "app KeyError"]
    assert who(OverflowError()) == ["inner ArithmeticError", "outer Exception", "app Exception"]
    assert who(HTTPError(402)) == ["outer HTTPError", "outer HTTPError", "app HTTPError"]
    missing = MissingValue("a field", "x")
    assert who(missing) == ["inner MissingValue", "outer HTTPError", "app HTTPError"]


def test_an_http_error_is_no_panic_of_an_inner_router() -> None:
    app, router = App(), Router("/in")
    router.exception_handler(Exception)(lambda ctx, exc: "panic")
    router.exception_handler(ValueError)(lambda ctx, exc: "value")

    @router.get("/page")
    async def page(ctx: Context) -> Any:
        return await ctx.request.json()  # InvalidJSON is an HTTPError and a ValueError.

    app.include(router)
    client = TestClient(app)
    assert client.get("/in/page", content=b"{").status == 400
    assert client.get("/in/nowhere").status == 404
    assert client.put("/in/page").status == 405


def test_a_router_that_is_included_twice_answers_at_both_places() -> None:
    app, router = App(), Router()

    @router.get("/page")
    async def page(ctx: Context) -> None:
        raise KeyError

    @router.exception_handler(KeyError)
    def missing(ctx: Context, exc: KeyError) -> str:
        return f"missing at {ctx.request.path}"

    app.include(router, "/a")
    app.include(router, "/b")
    client = TestClient(app)
    for prefix in ("/a", "/b"):
        assert client.get(f"{prefix}/page").text == f"missing at {prefix}/page"
    assert client.get("/nowhere").status == 404


def test_a_group_of_one_is_answered_as_its_leaf_by_the_router() -> None:
    app, router = App(), Router("/in")
    router.exception_handler(HTTPError)(lambda ctx, exc: f"refused {exc.status}")

    @router.get("/page")
    async def page(ctx: Context) -> None:
        raise ExceptionGroup("one", [HTTPError(418)])

    app.include(router)
    assert TestClient(app).get("/in/page").text == "refused 418"


def test_what_cannot_be_a_handler_is_refused() -> None:
    router = Router()
    with pytest.raises(UsageError, match="expected a class of exceptions"):
        router.exception_handler(404)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"write \(ctx, exc\)"):
        router.exception_handler(OSError)(lambda ctx: None)  # type: ignore[arg-type]
    app = App()
    app.include(router)
    TestClient(app).get("/")
    with pytest.raises(RegistrationError, match="already serves"):
        router.exception_handler(OSError)(lambda ctx, exc: None)
