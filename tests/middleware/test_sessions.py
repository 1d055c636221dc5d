"""Sessions: what is kept, for how long, and what goes out with an answer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import App, Context, HTTPError, Response, Router, UsageError
from anylane.http.cookies import parse_cookies
from anylane.middleware import CSRF, MemoryStore, Sessions
from anylane.testing import ClientResponse, Lockstep, TestClient

SECRET = "a secret of more than thirty-two bytes"
OTHER = "another secret of more than 32 bytes"

Part = Callable[..., Sessions]
IN_COOKIE: Part = Sessions


def in_store(*args: Any, **options: Any) -> Sessions:
    return Sessions(*args, **{"store": MemoryStore(), **options})


BOTH = pytest.mark.parametrize("make", [IN_COOKIE, in_store], ids=["cookie", "store"])


def app_with(part: Any) -> App:  # noqa: C901  # one handler after the other
    app = App()
    app.use(part)

    @app.get("/untouched")
    async def untouched(ctx: Context) -> str:
        return "nothing"

    @app.get("/count")
    async def count(ctx: Context) -> dict[str, Any]:
        ctx.session["count"] = ctx.session.get("count", 0) + 1
        return dict(ctx.session)

    @app.get("/read")
    async def read(ctx: Context) -> dict[str, Any]:
        return dict(ctx.session)

    @app.get("/append")
    async def append(ctx: Context) -> dict[str, Any]:
        ctx.session.setdefault("list", {"in": []})["in"].append(len(ctx.session))
        return dict(ctx.session)

    @app.get("/clear")
    async def clear(ctx: Context) -> str:
        ctx.session.clear()
        return "cleared"

    @app.get("/renew")
    async def renew(ctx: Context) -> str:
        ctx.session.renew()
        return "renewed"

    @app.get("/error/{status:int}")
    async def error(ctx: Context) -> None:
        ctx.session["status"] = ctx.params["status"]
        raise HTTPError(ctx.params["status"])

    @app.get("/fails")
    async def fails(ctx: Context) -> None:
        ctx.session["lost"] = True
        raise ValueError("x")

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        ctx.session["stream"] = "early"
        async with ctx.stream() as out:
            try:
                ctx.session["stream"] = "late"
                await ctx.session.save()
            except UsageError as exc:
                await out.write(str(exc).encode())

    @app.get("/late")
    async def late(ctx: Context) -> None:
        async with ctx.stream() as out:
            try:
                ctx.session["stream"] = "late"
            except UsageError as exc:
                await out.write(str(exc).encode())

    @app.get("/large/{size:int}")
    async def large(ctx: Context) -> None:
        ctx.session["text"] = "x" * ctx.params["size"]

    @app.get("/cached")
    async def cached(ctx: Context) -> Response:
        ctx.session["x"] = 1
        return Response("x", headers={"cache-control": "max-age=5", "vary": "Accept"})

    @app.get("/bad/{what}")
    async def bad(ctx: Context) -> None:
        ctx.session["bad"] = {"object": object(), "nan": float("nan")}[ctx.params["what"]]

    @app.get("/key")
    async def key(ctx: Context) -> None:
        ctx.session[5] = 5

    @app.websocket("/ws", origins=[None])
    async def ws(ctx: Context) -> None:
        if "begin" in ctx.request.query:
            ctx.session["begun"] = True
        websocket = await ctx.accept()
        async for message in websocket:
            try:
                ctx.session["said"] = message
                await ctx.session.save()
                await websocket.send("saved")
            except UsageError as exc:
                await websocket.send(str(exc))

    return app


def served(part: object, **options: Any) -> TestClient:
    return TestClient(app_with(part), **options)


def cookie_of(answer: ClientResponse) -> str | None:
    return answer.headers.get("set-cookie")


@BOTH
def test_a_session_is_the_same_clients_at_its_next_request(make: Part) -> None:
    part = make(SECRET)
    client = served(part)
    assert client.get("/count").json() == {"count": 1}
    assert client.get("/count").json() == {"count": 2}
    assert client.get("/read").json() == {"count": 2}
    assert TestClient(client.app).get("/read").json() == {}


@BOTH
def test_the_cookie_is_set_only_if_something_changed(make: Part) -> None:
    client = served(make(SECRET))
    first = client.get("/count")
    assert first.headers["vary"] == "Cookie"
    assert first.headers["cache-control"] == "private"
    read = client.get("/read")
    assert cookie_of(read) is None
    assert read.headers["vary"] == "Cookie" and "cache-control" not in read.headers
    untouched = client.get("/untouched")
    assert cookie_of(untouched) is None and "vary" not in untouched.headers
    assert TestClient(client.app).get("/read").headers["vary"] == "Cookie"


@BOTH
def test_what_the_handler_says_about_caches_stays(make: Part) -> None:
    answer = served(make(SECRET)).get("/cached")
    assert answer.headers["cache-control"] == "max-age=5"
    assert answer.headers["vary"] == "Accept, Cookie"


@BOTH
def test_a_change_inside_of_a_value_counts(make: Part) -> None:
    client = served(make(SECRET))
    assert client.get("/append").json() == {"list": {"in": [1]}}
    assert client.get("/append").json() == {"list": {"in": [1, 1]}}
    assert client.get("/read").json() == {"list": {"in": [1, 1]}}


@BOTH
def test_attributes_over_http_and_over_tls(make: Part) -> None:
    client = served(make(SECRET, max_age=60))
    cookie = cookie_of(client.get("/count")) or ""
    name, _, attributes = cookie.partition("=")
    assert name == "session"
    assert attributes.partition("; ")[2] == "HttpOnly; Max-Age=60; Path=/; SameSite=Lax"
    client = served(make(SECRET, secure=True))
    cookie = cookie_of(client.get("/count")) or ""
    assert cookie.startswith("__Host-session=") and cookie.endswith("; SameSite=Lax; Secure")
    client = served(
        make(SECRET, secure=True, domain="a.example", samesite="strict", cookie="s", path="/x")
    )
    cookie = cookie_of(client.get("/count")) or ""
    assert cookie.startswith("__Secure-s=") and "Domain=a.example" in cookie
    assert "Path=/x; SameSite=Strict; Secure" in cookie


@BOTH
def test_over_tls_a_cookie_without_the_prefix_is_not_believed(make: Part) -> None:
    part = make(SECRET)
    app = app_with(part)
    value = parse_cookies([cookie_of(TestClient(app).get("/count")) or ""])["session"]
    plain = TestClient(app, cookies={"session": value})
    assert plain.get("/read").json() == {"count": 1}
    strict = served(make(SECRET, secure=True), cookies={"session": value})
    assert strict.get("/read").json() == {}


@BOTH
def test_it_ends_after_max_age(make: Part) -> None:
    client = served(make(SECRET, max_age=100))
    value = parse_cookies([cookie_of(client.get("/count")) or ""])["session"]
    # A client that sends the cookie for ever.
    stubborn = {"cookie": f"session={value}"}
    client.advance(99)
    assert client.get("/read", headers=stubborn).json() == {"count": 1}
    client.advance(1)
    assert client.get("/read", headers=stubborn).json() == {}


@BOTH
def test_renew_begins_anew_with_the_same_values(make: Part) -> None:
    client = served(make(SECRET, max_age=100))
    old = parse_cookies([cookie_of(client.get("/count")) or ""])["session"]
    client.advance(60)
    renewed = client.get("/renew")
    assert parse_cookies([cookie_of(renewed) or ""])["session"] != old
    client.advance(60)
    assert client.get("/read").json() == {"count": 1}


def test_in_a_store_the_old_key_is_worth_nothing_after_renew_and_clear() -> None:
    store = MemoryStore()
    client = served(Sessions(SECRET, store=store))
    for path in ("/renew", "/clear"):
        value = parse_cookies([cookie_of(client.get("/count")) or ""])["session"]
        client.get(path)
        assert client.get("/read", headers={"cookie": f"session={value}"}).json() == {}
        client.cookies.clear()
    assert len(store) == 1  # What was renewed.


@BOTH
def test_an_empty_session_has_no_cookie(make: Part) -> None:
    client = served(make(SECRET))
    assert cookie_of(client.get("/clear")) is None
    client.get("/count")
    cleared = client.get("/clear")
    assert (cookie_of(cleared) or "").startswith("session=; ")
    assert cleared.headers["cache-control"] == "private"
    assert dict(client.cookies) == {}
    assert client.get("/read").json() == {}


@BOTH
def test_secrets_rotate(make: Part) -> None:
    store = {} if make is IN_COOKIE else {"store": MemoryStore()}
    old = served(make(OTHER, **store))
    value = parse_cookies([cookie_of(old.get("/count")) or ""])["session"]
    both = served(make([SECRET, OTHER], **store), cookies={"session": value})
    answer = both.get("/count")
    assert answer.json() == {"count": 2}
    value = parse_cookies([cookie_of(answer) or ""])["session"]
    new = served(make([SECRET.encode()], **store), cookies={"session": value})
    assert new.get("/read").json() == {"count": 2}
    gone = served(make([OTHER], **store), cookies={"session": value})
    assert gone.get("/read").json() == {}


@BOTH
@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=80))
def test_no_cookie_is_a_failure_of_ours(make: Part, value: str) -> None:
    with served(make(SECRET)) as client:
        value = value.replace(";", "").strip()
        assert client.get("/read", headers={"cookie": f"session={value}"}).json() == {}
        assert client.log == []


def test_a_changed_cookie_is_worth_nothing() -> None:
    client = served(Sessions(SECRET))
    value = parse_cookies([cookie_of(client.get("/count")) or ""])["session"]
    client.cookies.clear()
    for at in range(len(value)):
        changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        answer = client.get("/read", headers={"cookie": f"session={changed}"})
        assert answer.json() == {} or at == len(value) - 1, at
    for other in (value[:-1], value + "A", value.rpartition(".")[0], "x" * 5000, value * 2):
        assert client.get("/read", headers={"cookie": f"session={other}"}).json() == {}


def test_a_cookie_of_other_sessions_is_worth_nothing() -> None:
    client = served(Sessions(SECRET, cookie="a"))
    value = parse_cookies([cookie_of(client.get("/count")) or ""])["a"]
    assert served(Sessions(SECRET, cookie="b"), cookies={"b": value}).get("/read").json() == {}
    stored = served(in_store(SECRET, cookie="a"), cookies={"a": value})
    assert stored.get("/read").json() == {}


@BOTH
def test_what_fails_is_not_kept(make: Part) -> None:
    client = served(make(SECRET))
    for path in ("/fails", "/error/503"):
        answer = client.get(path)
        assert answer.status >= 500 and cookie_of(answer) is None
    assert client.get("/read").json() == {}
    assert client.get("/error/404").status == 404
    assert client.get("/read").json() == {"status": 404}


def test_a_cookie_over_4_kib_is_refused_and_says_what_to_do() -> None:
    client = served(Sessions(SECRET))
    assert client.get("/large/2900").status == 204
    answer = client.get("/large/4000")
    assert answer.status == 500 and cookie_of(answer) is None
    assert "octets as a cookie" in client.log[-1].message
    assert "store=MemoryStore()" in client.log[-1].message


def test_a_store_takes_more_up_to_a_bound() -> None:
    client = served(in_store(SECRET))
    assert client.get("/large/60000").status == 204
    assert client.get("/large/70000").status == 500
    assert "expected 65536 at most" in client.log[-1].message


@BOTH
def test_what_json_cannot_say_is_refused(make: Part) -> None:
    client = served(make(SECRET))
    for path in ("/bad/object", "/bad/nan"):
        assert client.get(path).status == 500
        assert "a value that JSON cannot say" in client.log[-1].message
    assert client.get("/key").status == 500
    assert "expected a str" in client.log[-1].message


def test_after_the_head_the_cookies_session_is_read_only() -> None:
    client = served(Sessions(SECRET))
    assert "cannot be changed any more" in client.get("/stream").text
    assert client.get("/read").json() == {"stream": "early"}
    assert "use a store" in client.get("/late").text


def test_after_the_head_a_store_can_still_save() -> None:
    client = served(in_store(SECRET))
    assert client.get("/stream").text == ""
    assert client.get("/read").json() == {"stream": "late"}
    client.cookies.clear()
    assert "Set something before that" in client.get("/late").text


def test_websockets() -> None:
    for make in (IN_COOKIE, in_store):
        client = served(make(SECRET))
        with client.websocket("/ws") as ws:
            assert ws.response.headers.get("set-cookie") is None
            assert "vary" not in ws.response.headers
            ws.send("x")
            assert "cannot be changed any more" in str(ws.receive())
        with client.websocket("/ws?begin") as ws:
            assert "session=" in ws.response.headers["set-cookie"]
            ws.send("x")
            said = ws.receive()
        assert client.get("/read").json() == (
            {"begun": True, "said": "x"} if make is in_store else {"begun": True}
        )
        assert (said == "saved") == (make is in_store)


def test_without_the_part_the_error_says_what_to_do() -> None:
    app = App()

    @app.get("/")
    async def home(ctx: Context) -> Any:
        return ctx.session["x"]

    client = TestClient(app)
    assert client.get("/").status == 500
    assert "app.use(Sessions(secret))" in client.log[0].message


def test_on_one_router_only() -> None:
    app, router = App(), Router("/in")
    router.use(Sessions(SECRET, path="/in"))

    @router.get("/")
    async def count(ctx: Context) -> int:
        ctx.session["n"] = ctx.session.get("n", 0) + 1
        return int(ctx.session["n"])

    app.include(router)
    client = TestClient(app)
    assert [client.get("/in/").json() for _ in range(3)] == [1, 2, 3]


def test_it_warns_of_websockets_that_every_page_may_open() -> None:
    def log(*parts: Any, **options: Any) -> list[str]:
        app = App()
        for part in parts:
            app.use(part)

        @app.websocket("/open", **options)
        async def ws(ctx: Context) -> None: ...

        @app.get("/")
        async def home(ctx: Context) -> None: ...

        return [record.message for record in Lockstep(app).log if record.level == "warning"]

    warned = log(Sessions(SECRET))
    assert len(warned) == 1
    assert "every page may open the WebSocket /open" in warned[0]
    assert log(Sessions(SECRET), origins=["same-origin"]) == []
    assert log(Sessions(SECRET), CSRF()) == []
    assert log(Sessions(SECRET), middleware=[CSRF()]) == []
    assert log() == []
    warned = log(CSRF(), Sessions(SECRET))
    assert len(warned) == 1
    assert "CSRF stands in front of Sessions at /open" in warned[0]
    assert "use Sessions first" in warned[0]


class TestMemoryStore:
    def run(self, steps: Callable[[MemoryStore], Any], store: MemoryStore) -> Any:
        """Await steps inside of an exchange, whose clock the store uses."""
        app = App()

        @app.get("/")
        async def home(ctx: Context) -> str:
            return repr(await steps(store))

        return eval(TestClient(app).get("/").text)

    def test_it_is_bounded_by_number_and_by_size(self) -> None:
        async def steps(store: MemoryStore) -> Any:
            for name in "abcd":
                await store.set(name, b"12345", 10)
            few = [await store.get(name) for name in "abcd"]
            await store.set("e", b"x" * 8, 10)
            return few, [await store.get(name) for name in "bcde"], len(store)

        few, then, count = self.run(steps, MemoryStore(max_sessions=3, max_bytes=15))
        assert few == [None, b"12345", b"12345", b"12345"]
        assert then == [None, None, b"12345", b"x" * 8]
        assert count == 2

    def test_time_ends_entries(self) -> None:
        async def steps(store: MemoryStore) -> Any:
            await store.set("a", b"1", 0)
            return await store.get("a"), len(store)

        assert self.run(steps, MemoryStore()) == (None, 0)

    def test_outside_of_a_request_there_is_no_clock(self) -> None:
        with pytest.raises(UsageError, match="takes the clock of the request that runs"):
            MemoryStore().get("a").send(None)

    def test_what_is_larger_than_all_is_not_kept(self) -> None:
        async def steps(store: MemoryStore) -> Any:
            await store.set("a", b"12345", 5)
            await store.delete("a")
            await store.delete("a")
            await store.set("b", b"123456", 5)
            return len(store)

        assert self.run(steps, MemoryStore(max_bytes=5)) == 0

    def test_threads_lose_no_byte(self) -> None:
        store = MemoryStore(max_sessions=50)
        app = app_with(Sessions(SECRET, store=store))
        client = TestClient(app)

        def busy() -> None:
            mine = TestClient(app)
            for _ in range(50):
                mine.cookies.clear()
                mine.get("/count")

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            threads = [threading.Thread(target=busy) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert len(store) == 50
        assert client.get("/untouched").status == 200


sessions: Any = Sessions
memory_store: Any = MemoryStore


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sessions("short"), "has 5 bytes; expected 32 or more"),
        (lambda: sessions([SECRET, "short"]), "has 5 bytes; expected 32 or more"),
        (lambda: sessions([]), "expected one or more"),
        (lambda: sessions(None), "is a NoneType; expected str or bytes"),
        (lambda: sessions([5]), "is a int; expected str or bytes"),
        (lambda: sessions(SECRET, 0), "max_age is 0"),
        (lambda: sessions(SECRET, True), "max_age is True"),
        (lambda: sessions(SECRET, None), "max_age is None"),
        (lambda: sessions(SECRET, 1e3), "max_age is 1000.0"),
        (lambda: sessions(SECRET, 10**9), "1 to 34560000"),
        (lambda: sessions(SECRET, cookie="__Host-a"), "which are put before it over TLS"),
        (lambda: sessions(SECRET, cookie="a b"), "expected a name"),
        (lambda: sessions(SECRET, samesite="Lax"), "samesite is 'Lax'"),
        (lambda: sessions(SECRET, samesite="none"), "needs secure=True"),
        (lambda: sessions(SECRET, secure="auto"), "secure is 'auto'"),
        (lambda: sessions(SECRET, store=dict), "the methods of SessionStore"),
        (lambda: sessions(SECRET, store={}), "the methods of SessionStore"),
        (lambda: sessions(SECRET, domain="http://a"), "Domain of cookie"),
        (lambda: memory_store(max_sessions=0), "max_sessions of MemoryStore is 0"),
        (lambda: memory_store(max_bytes="1"), "max_bytes of MemoryStore is '1'"),
    ],
)
def test_what_cannot_be_right_is_refused_at_once(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        make()
    assert SECRET not in str(raised.value)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "itsdangerous", None)
    with pytest.raises(UsageError, match=r"Sessions needs .*anylane\[sessions\]"):
        Sessions(SECRET)


@pytest.mark.parametrize("status", [200, 404, 500, 501])
@BOTH
def test_no_answer_made_from_a_session_is_kept_for_another_client(make: Part, status: int) -> None:
    app = App()
    app.use(make(SECRET))

    @app.get("/")
    async def home(ctx: Context) -> None:
        ctx.response.set_status(status).set_text(ctx.session.get("user", "nobody"))
        ctx.response.set_header("cache-control", "max-age=60")

    assert TestClient(app).get("/").headers["vary"] == "Cookie"


@BOTH
def test_a_mounted_app_has_a_session_beside_that_of_the_app_around_it(make: Part) -> None:
    inner, outer = App(), App()
    inner.use(make("another secret of more than thirty-two bytes", cookie="inner"))
    outer.use(make(SECRET, cookie="outer"))

    @outer.request_middleware()
    async def count(ctx: Context) -> None:
        ctx.session["seen"] = ctx.session.get("seen", 0) + 1
        ctx.state.seen = ctx.session["seen"]

    @inner.get("/")
    async def home(ctx: Context) -> dict[str, Any]:
        ctx.session["inner"] = ctx.session.get("inner", 0) + 10
        return {**ctx.session, "seen": ctx.state.seen}

    outer.mount("/in", inner)
    client = TestClient(outer)
    assert client.get("/in/").json() == {"inner": 10, "seen": 1}
    assert client.get("/in/").json() == {"inner": 20, "seen": 2}


@BOTH
def test_one_part_on_an_app_and_on_a_router_of_it_is_one_session(make: Part) -> None:
    part, app, router = make(SECRET), App(), Router("/in")
    app.use(part)
    router.use(part)

    @app.request_middleware()
    async def count(ctx: Context) -> None:
        ctx.session["seen"] = ctx.session.get("seen", 0) + 1

    @router.get("/")
    async def home(ctx: Context) -> Any:
        return ctx.session["seen"]

    app.include(router)
    client = TestClient(app)
    assert client.get("/in/").json() == 1
    answer = client.get("/in/")
    assert answer.json() == 2 and len(answer.headers.get_all("set-cookie")) == 1
