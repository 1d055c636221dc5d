"""ETags: arguments, tags, and what becomes of the answer that a 304 takes the place of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from anylane import App, Context, HTTPError, Response, UsageError
from anylane.middleware import Compression, ETags
from anylane.testing import Lockstep, TestClient


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


def answer_of(app: App, *headers: str, path: str = "/", method: str = "GET") -> tuple[int, str]:
    wire = Lockstep(app)
    wire.receive(request(path, *headers, method=method))
    head = wire.take().partition(b"\r\n\r\n")[0].decode("latin-1") + "\r\n"
    assert not wire.log
    return int(head[9:12]), head


def tag_in(head: str) -> str | None:
    return next((line[6:] for line in head.split("\r\n") if line.startswith("etag: ")), None)


def tagged(answer: Callable[[Context], Any], part: ETags | None = None) -> App:
    app = App()
    app.use(part or ETags())
    app.get("/")(answer)
    return app


def test_a_bad_argument_is_refused_where_the_part_is_made() -> None:
    with pytest.raises(UsageError, match="weak is 'yes'; expected True or False"):
        ETags(weak="yes")  # type: ignore[arg-type]


def test_equal_bodies_have_equal_tags_and_others_have_others() -> None:
    tags = [tag_in(answer_of(tagged(lambda _, text=text: text))[1]) for text in ("a", "a", "b", "")]  # type: ignore[misc]
    assert tags[0] == tags[1]
    assert len(set(tags)) == 3
    assert all(tag and len(tag) == 34 for tag in tags)


def test_weak_tags_are_for_equal_meaning() -> None:
    app = tagged(lambda _: "text", ETags(weak=True))
    tag = tag_in(answer_of(app)[1])
    assert tag is not None and tag.startswith('W/"')
    for given in (tag, tag[2:]):
        assert answer_of(app, f"If-None-Match: {given}")[0] == 304
    app = App()
    app.use(Compression(minimum=0))
    app.get("/", middleware=[ETags(weak=True)])(lambda _: "text")
    status, head = answer_of(app, "Accept-Encoding: gzip", f"If-None-Match: {tag}")
    assert (status, tag_in(head)) == (304, tag)
    assert tag_in(answer_of(app, "Accept-Encoding: gzip")[1]) == tag


def test_what_other_hooks_have_set_goes_out_with_the_304() -> None:
    app = App()
    app.use(ETags())

    @app.response_middleware
    def inner(ctx: Context) -> None:
        ctx.response.set_header("x-inner", "1").set_header("content-language", "en")

    class Outer:
        def response(self, ctx: Context) -> None:
            ctx.response.set_header("x-outer", str(ctx.response.status)).set_cookie("a", "2")

    app.use(Outer(), order=-1)

    @app.get("/")
    async def home(ctx: Context) -> Response:
        ctx.response.set_cookie("a", "1").set_cookie("b", "1")
        ctx.response.close_connection()
        return Response("text", headers={"content-digest": "sha-256=:AAAA:", "date": "now"})

    status, head = answer_of(app, "If-None-Match: *")
    assert status == 304
    for line in ("x-inner: 1", "x-outer: 304", "set-cookie: a=2; Path=/", "set-cookie: b=1; Path=/",
                 "connection: close", "date: now"):  # fmt: skip
        assert head.count(f"\r\n{line}") == 1, line
    assert "content-" not in head and "a=1" not in head


@pytest.mark.parametrize("control", ["no-store", "private, NO-STORE"])
def test_what_is_not_to_be_stored_gets_no_tag_but_may_have_one(control: str) -> None:
    app = tagged(lambda _: Response("text", headers={"cache-control": control}))
    assert tag_in(answer_of(app)[1]) is None
    headers = {"cache-control": control, "etag": '"own"'}
    app = tagged(lambda _: Response("text", headers=headers))
    assert answer_of(app, 'If-None-Match: "own"')[0] == 304


def test_a_handler_that_streams_what_it_had_set_before_is_not_tagged() -> None:
    app = App()
    app.use(ETags())

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        ctx.response.set_text("never sent").set_header("etag", '"own"')
        async with ctx.stream() as out:
            await out.write("sent")

    @app.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send("sent")

    for path in ("/stream", "/events"):
        wire = Lockstep(app)
        wire.receive(request(path, "If-None-Match: *"))
        answer = wire.take()
        assert answer.startswith(b"HTTP/1.1 200 ") and b"sent" in answer
        assert b"never" not in answer and not wire.log


def test_an_answer_that_was_sent_by_hand_may_become_a_304() -> None:
    app = App()
    app.use(ETags())
    after: list[bool] = []

    @app.get("/")
    async def home(ctx: Context) -> None:
        ctx.response.set_text("text")
        try:
            await ctx.send()
        except UsageError:
            after.append(ctx.response.sent)
            raise

    wire = Lockstep(app)
    wire.receive(request("/", "If-None-Match: *"))
    assert wire.take().startswith(b"HTTP/1.1 304 ")
    assert after == [] and not wire.log


def test_errors_are_not_tagged() -> None:
    def fail(_: Context) -> None:
        raise HTTPError(404)

    status, head = answer_of(tagged(fail), "If-None-Match: *")
    assert (status, tag_in(head)) == (404, None)


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_large_bodies_are_hashed_in_the_pool(backend: str, monkeypatch: Any) -> None:
    threads: list[int] = []
    tag = ETags._tag

    def noting(self: ETags, body: bytes) -> str:
        threads.append(threading.get_ident())
        return tag(self, body)

    monkeypatch.setattr(ETags, "_tag", noting)
    homes: list[int] = []

    async def large(ctx: Context) -> bytes:
        homes.append(threading.get_ident())
        return b"x" * (1 << 21)

    with TestClient(tagged(large), backend=backend) as client:
        answer = client.get("/")
        etag = answer.headers["etag"]
        assert len(answer.content) == 1 << 21
        assert client.get("/", headers={"if-none-match": etag}).status == 304
    assert len(threads) == 2
    if backend == "asyncio":
        assert set(threads).isdisjoint(homes)
