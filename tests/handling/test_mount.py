"""app.mount: an App inside of another one, a Router, or what serves all below a prefix."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial
from typing import Any

import pytest

from anylane import (
    STOP,
    App,
    Context,
    Disconnected,
    HTTPError,
    RouteError,
    Router,
    ServerConfig,
    Stop,
    UsageError,
)
from anylane.config.limits import Limits
from anylane.errors import RegistrationError
from anylane.testing import Rejected, TestClient


def one(text: str, **options: Any) -> App:
    """Return an app whose root says this."""
    app = App(**options)

    @app.get("/", name="root")
    async def root(_ctx: Context) -> str:
        return text

    return app


class Echo:
    methods = ("GET",)

    async def handle(self, ctx: Context, path: str) -> str:
        return path


def test_a_router_is_included() -> None:
    app, router = App(), Router()

    @router.get("/x", name="x")
    async def x(ctx: Context) -> str:
        return f"{ctx.app is app} {ctx.path_for('api:x')}"

    app.mount("/api", router, name="api")
    assert TestClient(app).get("/api/x").text == "True /api/x"


@pytest.mark.parametrize("prefix", ["", "/"])
def test_the_root_can_be_mounted(prefix: str) -> None:
    app = one("outer")
    inner = App()

    @inner.get("/inner")
    async def of_inner(ctx: Context) -> str:
        return ctx.path_for("of_inner") + str(ctx.app is inner)

    app.mount(prefix, inner)
    app.mount(prefix, Echo())
    client = TestClient(app)
    assert client.get("/").text == "outer"
    assert client.get("/inner").text == "/innerTrue"
    assert client.get("/a/b").text == "a/b"


def test_a_prefix_may_have_parameters() -> None:
    app, inner = App(), App()

    @inner.get("/items/{id:int}")
    async def item(ctx: Context) -> list[object]:
        other = ctx.path_for("item", id=2, tenant="b")
        return [ctx.params, ctx.path_for("item", id=2), other]

    @inner.exception_handler(HTTPError)
    async def missing(ctx: Context, _exc: HTTPError) -> str:
        return ctx.path_for("item", id=1, tenant="c")

    app.mount("/{tenant}/shop", inner)
    client = TestClient(app)
    assert client.get("/a/shop/items/1").json() == [
        {"tenant": "a", "id": 1},
        "/a/shop/items/2",
        "/b/shop/items/2",
    ]
    assert client.get("/a/shop/none").text == "/c/shop/items/1"


def test_an_app_mounted_at_two_places_starts_once_and_knows_where_it_is() -> None:
    app, inner, seen = App(), App(), []

    @inner.lifespan
    def life(given: App) -> Generator[None]:
        assert given is inner
        seen.append("in")
        yield
        seen.append("out")

    @inner.get("/", name="home")
    async def home(ctx: Context) -> str:
        return ctx.path_for("home")

    app.mount("/one", inner, name="one")
    app.mount("/two", inner, name="two")
    with TestClient(app) as client:
        assert client.get("/one/").text == "/one/"
        assert client.get("/two/").text == "/two/"
        assert (app.path_for("one:home"), app.path_for("two:home")) == ("/one/", "/two/")
        assert inner.path_for("home") == "/"
    assert seen == ["in", "out"]


def test_routes_and_hooks_that_come_later_belong_to_it_too() -> None:
    app, inner = App(), App()
    app.mount("/inner", inner)

    @inner.get("/late")
    async def late(ctx: Context) -> str:
        return f"{ctx.app is inner} {inner.state.ready}"

    @inner.on_startup
    def start() -> None:
        inner.state.ready = True

    @inner.response_middleware
    async def mark(ctx: Context) -> None:
        ctx.response.set_header("x-late", "yes")

    answer = TestClient(app).get("/inner/late")
    assert (answer.text, answer.headers["x-late"]) == ("True True", "yes")


def test_a_mounted_app_can_be_served_by_itself_too() -> None:
    app, inner = App(), one("inner")

    @inner.middleware
    async def around(ctx: Context, call_next: Any) -> None:
        await call_next()
        ctx.response.set_header("x-app", str(ctx.app is inner))

    assert TestClient(inner).get("/").text == "inner"
    app.mount("/inner", inner)
    assert TestClient(inner).get("/").text == "inner"
    answer = TestClient(app).get("/inner/")
    assert (answer.text, answer.headers["x-app"]) == ("inner", "True")


def test_everything_is_entered_in_order_and_left_in_reverse() -> None:
    app, seen = App(), []

    def lived(app: App, name: str) -> App:
        @app.lifespan
        async def life() -> AsyncGenerator[None]:
            seen.append(name)
            setattr(app.state, name, True)
            yield
            assert getattr(app.state, name)
            seen.append(f"-{name}")

        return app

    inner = lived(App(), "b1")
    lived(app, "a")
    app.mount("/b", inner)
    lived(app, "c")
    lived(inner, "b2")
    app.mount("/d", lived(App(), "d"))
    with TestClient(app):
        pass
    assert seen == "a b1 b2 c d -d -c -b2 -b1 -a".split()


def test_an_inner_start_that_fails_fails_the_start() -> None:
    app, inner, seen = App(), App(), []

    @app.lifespan
    def life() -> Generator[None]:
        try:
            yield
        finally:
            seen.append("left")

    @inner.on_startup
    def fail() -> None:
        raise OSError("no database")

    app.mount("/inner", inner)
    with pytest.raises(OSError, match="no database"):
        TestClient(app).start()
    assert seen == ["left"]


def test_a_request_hook_around_it_can_stop() -> None:
    app, inner = App(), one("inner")

    @app.request_middleware
    async def closed(ctx: Context) -> Stop:
        ctx.response.set_status(401).set_text(str(ctx.app is app))
        return STOP

    @inner.response_middleware
    async def seen(ctx: Context) -> None:
        ctx.response.set_header("x-inner", str(ctx.app is inner))

    app.mount("/inner", inner)
    answer = TestClient(app).get("/inner/")
    assert (answer.status, answer.text, answer.headers["x-inner"]) == (401, "True", "True")


def test_a_guard_finds_its_own_app() -> None:
    app, inner = App(), App()

    @inner.on_startup
    def start() -> None:
        inner.state.open = True

    @inner.get("/", when=lambda ctx: ctx.app.state.open)
    async def home(_ctx: Context) -> str:
        return "open"

    app.mount("/inner", inner)
    assert TestClient(app).get("/inner/").text == "open"


def test_the_panic_hook_of_a_mounted_app_comes_first() -> None:
    app, inner = App(), App()

    @app.exception_handler(ValueError)
    async def outer(_ctx: Context, _exc: ValueError) -> str:
        return "outer"

    @inner.exception_handler(Exception)
    async def panic(_ctx: Context, exc: Exception) -> str:
        return f"inner {exc}"

    @inner.get("/{kind}")
    async def fail(ctx: Context) -> None:
        raise HTTPError(404) if ctx.params["kind"] == "http" else ValueError("x")

    @app.exception_handler(HTTPError)
    async def http(ctx: Context, exc: HTTPError) -> str:
        return f"outer {exc.status} {ctx.app is app}"

    app.mount("/inner", inner)
    client = TestClient(app)
    assert client.get("/inner/value").text == "inner x"
    # The panic hook is not asked for an answer, so the app around it may say how it looks.
    assert client.get("/inner/http").text == "outer 404 True"


def test_a_handler_that_fails_itself_is_a_logged_500() -> None:
    app, inner = App(), App()

    @inner.exception_handler(ValueError)
    async def worse(_ctx: Context, _exc: ValueError) -> None:
        raise KeyError("worse")

    @app.exception_handler(KeyError)
    async def never(_ctx: Context, _exc: KeyError) -> str:
        return "a failure is dealt with once"

    @inner.get("/")
    async def fail(_ctx: Context) -> None:
        raise ValueError

    app.mount("/inner", inner)
    client = TestClient(app)
    assert client.get("/inner/").status == 500
    assert [each.level for each in client.log] == ["error"]


def test_what_an_outer_hook_writes_in_json_is_the_outer_apps() -> None:
    app, inner = App(json_default=lambda _: "outer"), App(json_default=lambda _: "inner")

    @app.middleware
    async def around(ctx: Context, call_next: Any) -> None:
        await call_next()
        ctx.response.set_header("x-around", "seen")
        if ctx.request.path.endswith("/replaced"):
            ctx.response.set_json({"by": object()})

    @inner.get("/{kind}")
    def mine(ctx: Context) -> dict[str, object]:
        return {"by": object()}

    app.mount("/inner", inner)
    client = TestClient(app)
    assert client.get("/inner/own").json() == {"by": "inner"}
    assert client.get("/inner/replaced").json() == {"by": "outer"}


def test_a_part_around_it_sees_and_changes_the_answers() -> None:
    app, inner = App(), one("inner")

    class Shout:
        def response(self, ctx: Context) -> None:
            ctx.response.set_header("x-part", str(ctx.app is app))

        def body(self, ctx: Context) -> Any:
            assert ctx.app is app
            return self

        def feed(self, chunk: bytes) -> bytes:
            return chunk.upper()

        def flush(self) -> bytes:
            return b""

        finish = flush

    app.use(Shout())
    app.mount("/inner", inner)
    answer = TestClient(app).get("/inner/")
    assert (answer.text, answer.headers["x-part"]) == ("INNER", "True")


def test_a_router_without_a_prefix_keeps_to_its_routes_inside_a_mount_too() -> None:
    app, inner, router, seen = App(), App(), Router(), []

    @router.get("/there")
    async def there(_ctx: Context) -> str:
        return "there"

    @router.request_middleware
    async def hook(_ctx: Context) -> None:
        seen.append("hook")

    inner.include(router)
    app.mount("/inner", inner)
    client = TestClient(app)
    assert client.get("/inner/nowhere").status == 404
    assert seen == []
    assert client.get("/inner/there").status == 200
    assert seen == ["hook"]


def test_a_router_of_an_app_at_the_root_brings_its_app_along() -> None:
    app, inner, router = App(), App(errors="json"), Router("/x")

    @router.get("/there")
    async def there(_ctx: Context) -> str:
        return "there"

    for name, hooked in (("inner", inner), ("router", router)):

        @hooked.response_middleware
        async def mark(ctx: Context, name: str = name) -> None:
            ctx.response.set_header(f"x-{name}", str(ctx.app is inner))

    inner.include(router)
    app.mount("/", inner)
    client = TestClient(app)
    for target, status in (("/x/there", 200), ("/x/nowhere", 404)):
        answer = client.get(target)
        assert answer.status == status
        assert (answer.headers["x-router"], answer.headers["x-inner"]) == ("True", "True")
    assert "x-inner" not in client.get("/nowhere").headers


def test_inner_middleware_that_does_nothing_is_named() -> None:
    app, inner = App(), one("inner")

    @inner.middleware
    async def lazy(ctx: Context, call_next: Any) -> None: ...

    @app.middleware
    async def around(ctx: Context, call_next: Any) -> None:
        await call_next()

    app.mount("/inner", inner)
    client = TestClient(app)
    assert client.get("/inner/").status == 500
    (line,) = [each.message for each in client.log]
    assert "lazy" in line
    assert "neither called" in line


def test_the_mount_whose_prefix_is_longest_answers_what_is_nowhere() -> None:
    app, api, admin = App(), App(errors="text"), App(errors="json")
    for each in (api, admin):

        @each.get("/there")
        async def there(_ctx: Context) -> str:
            return "there"

    app.mount("/api", api)
    app.mount("/api/admin", admin)
    client = TestClient(app)
    assert client.get("/api/nowhere").headers["content-type"].startswith("text/plain")
    assert client.get("/api/admin/nowhere").headers["content-type"] == "application/problem+json"


def test_what_a_log_line_names_is_the_inner_handler() -> None:
    app, inner = App(), App()

    @inner.get("/")
    async def breaks(_ctx: Context) -> None:
        raise ZeroDivisionError

    app.mount("/inner", inner)
    client = TestClient(app)
    assert client.get("/inner/").status == 500
    assert "breaks" in client.log[0].message


def test_a_websocket_of_a_mounted_app_fails_as_any_other() -> None:
    app, inner = App(), App()

    @inner.exception_handler(HTTPError)
    async def never(_ctx: Context, _exc: HTTPError) -> str:
        return "the head is out"

    @inner.websocket("/late")
    async def late(ctx: Context) -> None:
        await ctx.accept()
        raise HTTPError(400, "no")

    @inner.websocket("/early")
    async def early(ctx: Context) -> None:
        raise ValueError

    @app.exception_handler(ValueError)
    async def refused(ctx: Context, _exc: ValueError) -> str:
        ctx.response.set_status(403)
        return "refused"

    app.mount("/inner", inner)
    client = TestClient(app)
    with client.websocket("/inner/late") as ws, pytest.raises(Disconnected) as closed:
        ws.receive()
    assert closed.value.code == 1008
    with pytest.raises(Rejected) as rejected:
        client.websocket("/inner/early")
    assert (rejected.value.response.status, rejected.value.response.text) == (403, "refused")


def test_a_body_that_is_too_large_and_a_deadline_pass_the_inner_hooks() -> None:
    app, inner = App(), App(errors="json")

    @inner.response_middleware
    async def mark(ctx: Context) -> None:
        ctx.response.set_header("x-inner", str(ctx.app is inner))

    @inner.post("/")
    async def read(ctx: Context) -> str:
        return await ctx.request.text()

    @inner.get("/slow")
    async def slow(ctx: Context) -> None:
        await ctx.sleep(100)

    app.mount("/inner", inner)
    client = TestClient(app, ServerConfig(limits=Limits(body=10), request_timeout=5))
    for answer, status in (
        (client.post("/inner/", content=iter([b"x" * 11])), 413),
        (client.get("/inner/slow"), 503),
    ):
        assert (answer.status, answer.headers["x-inner"]) == (status, "True")
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_failure_of_an_outer_hook_is_not_the_inner_apps() -> None:
    app, inner, router = App(), App(), Router()

    @app.request_middleware
    async def fail(ctx: Context) -> None:
        if ctx.request.query.get("fail"):
            raise ValueError

    @app.middleware
    async def fail_behind(ctx: Context, call_next: Callable[[], Awaitable[None]]) -> None:
        await call_next()
        if ctx.request.query.get("fail-behind"):
            raise ValueError

    for each, name in ((app, "outer"), (inner, "inner"), (router, "router")):

        @each.exception_handler(ValueError)
        async def answer(_ctx: Context, _exc: ValueError, name: str = name) -> str:
            return name

    @router.exception_handler(KeyError)
    async def missing(ctx: Context, _exc: KeyError) -> str:
        return f"router {ctx.app is inner}"

    @app.exception_handler(LookupError)
    async def lookup(ctx: Context, _exc: LookupError) -> str:
        return f"outer {ctx.app is app}"

    @inner.get("/plain")
    @router.get("/{error}")
    async def handler(ctx: Context) -> None:
        errors = {"value": ValueError, "key": KeyError, "index": IndexError}
        raise errors[ctx.params.get("error", "value")]

    inner.include(router, "/router")
    app.mount("/inner", inner)
    client = TestClient(app)
    for target, text in (
        ("/inner/plain", "inner"),
        ("/inner/plain?fail=1", "outer"),
        ("/inner/router/value", "router"),
        ("/inner/router/value?fail=1", "outer"),
        ("/inner/router/key", "router True"),
        ("/inner/router/index", "outer True"),
        ("/inner/router/key?fail-behind=1", "outer"),
    ):
        assert client.get(target).text == text, target


def test_bounds_and_urls_of_a_mounted_app() -> None:
    app, inner = App(), App(body_limit=5, timeout=2)

    @inner.post("/read", name="read")
    async def read(ctx: Context) -> list[str]:
        await ctx.request.body()
        return [ctx.url_for("read"), ctx.url_for("home"), ctx.url_for("in:read")]

    @inner.get("/slow")
    async def slow(ctx: Context) -> None:
        await ctx.sleep(3)

    @inner.response_middleware
    async def mark(ctx: Context) -> None:
        ctx.response.set_header("x-inner", str(ctx.app is inner))

    @app.get("/", name="home")
    async def home(ctx: Context) -> str:
        return ctx.url_for("in:read")

    app.mount("/inner", inner, name="in")
    client = TestClient(app)
    urls = [f"http://testserver{path}" for path in ("/inner/read", "/", "/inner/read")]
    assert client.post("/inner/read", content=b"12345").json() == urls
    assert client.get("/").text == urls[0]
    answer = client.post("/inner/read", content=b"123456")
    assert (answer.status, answer.headers["x-inner"]) == (413, "True")
    answer = client.get("/inner/slow")
    assert (answer.status, answer.headers["x-inner"]) == (503, "True")


# --- what cannot be mounted ----------------------------------------------------------------------


def test_an_app_cannot_be_mounted_in_itself() -> None:
    a, b, c = App(), App(), App()
    with pytest.raises(RouteError, match="itself"):
        a.mount("/a", a)
    a.mount("/b", b)
    b.mount("/c", c)
    with pytest.raises(RouteError, match="directly or through another"):
        c.mount("/a", a)


def test_an_app_is_mounted_once_at_one_place() -> None:
    app, inner = App(), App()
    app.mount("/a", inner)
    with pytest.raises(RouteError, match="mounted at '/a' already"):
        app.mount("/a", inner)


def test_include_refuses_an_app_and_says_what_to_do() -> None:
    with pytest.raises(RouteError, match=r"app\.mount"):
        App().include(App())


@pytest.mark.parametrize("decorator", ["on_connect", "on_disconnect", "request_error"])
def test_hooks_about_connections_belong_to_the_app_around(decorator: str) -> None:
    def hook(ctx: Context) -> None: ...

    inner = App()
    getattr(inner, decorator)(hook)
    with pytest.raises(UsageError, match=rf"@app\.{decorator} is about connections"):
        App().mount("/inner", inner)
    later = App()
    App().mount("/later", later)
    with pytest.raises(UsageError, match="served by the app around a mounted one"):
        getattr(later, decorator)(hook)


def test_nothing_is_mounted_on_an_app_that_serves() -> None:
    app, inner = one("outer"), one("inner")
    app.mount("/inner", inner)
    TestClient(app).start()
    with pytest.raises(RegistrationError):
        app.mount("/other", App())
    with pytest.raises(RegistrationError):
        app.mount("/files", Echo())
    with pytest.raises(RegistrationError):
        inner.get("/more")(lambda ctx: None)
    with pytest.raises(RegistrationError):
        inner.on_startup(lambda: None)


def test_routes_that_collide_name_both_places() -> None:
    app = App()

    @app.get("/inner/")
    async def first(_ctx: Context) -> None: ...

    with pytest.raises(RouteError, match=r"registered already, by .*first"):
        app.mount("/inner", one("inner"))


def wsgi(environ: object, start_response: object) -> None: ...


class NoMethods:
    async def handle(self, ctx: Context, path: str) -> None: ...


class Blocking:
    methods = ("GET",)

    def handle(self, ctx: Context, path: str) -> None: ...


class Narrow:
    methods = ("GET",)

    async def handle(self, ctx: Context) -> None: ...


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (None, "mount\\(\\) got None; expected an App, a Router, or an object with"),
        (App, "mount\\(\\) got the class App; write its parentheses"),
        (Echo, "the class Echo; write its parentheses"),
        (wsgi, "a WSGI application, which is a plain function, needs wsgi=True in that line"),
        (NoMethods(), "has no `methods` beside it"),
        (Blocking(), "is no `async def`"),
        (Narrow(), "takes \\(ctx: .*; write \\(ctx, path\\)"),
    ],
)
def test_what_cannot_be_mounted(other: Any, message: str) -> None:
    with pytest.raises(RouteError, match=message):
        App().mount("/x", other)


class Asgi:
    """An ASGI application, which notes the types of its scopes."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope["type"])
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"foreign"})

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        await self(scope, receive, send)


@pytest.mark.parametrize("form", [lambda it: it, lambda it: it.serve, partial])
def test_every_callable_that_gives_a_coroutine_is_an_asgi_application(form: Any) -> None:
    inner = Asgi()
    app = App()
    app.mount("/x", form(inner))
    with TestClient(app) as client:
        assert client.get("/x").text == "foreign"
    assert inner.scopes == ["lifespan", "http"]


def test_in_memory_a_loop_that_runs_around_the_test_is_not_the_applications() -> None:
    inner = Asgi()
    app = App()
    app.mount("/x", inner)

    async def test() -> None:
        with TestClient(app) as client:
            assert client.get("/x").text == "foreign"

    asyncio.run(test())
    assert inner.scopes == ["lifespan", "http"]


def test_an_asgi_application_that_could_not_be_mounted_has_no_lifespan() -> None:
    inner = Asgi()
    app = App()

    @app.get("/x")
    async def first(_ctx: Context) -> None: ...

    with pytest.raises(RouteError, match="registered already"):
        app.mount("/x", inner)
    with TestClient(app):
        pass
    assert inner.scopes == []


@pytest.mark.parametrize("prefix", ["x", "/x/", "/{", "/a/{path}"])
def test_bad_prefixes(prefix: str) -> None:
    with pytest.raises(RouteError):
        App().mount(prefix, Echo())
