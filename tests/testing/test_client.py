"""TestClient: an app's clients, in memory and in virtual time."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from anylane import App, Broadcast, Disconnected, HTTPError, ServerConfig, UsageError
from anylane.testing import (
    IncompleteResponse,
    Lockstep,
    Rejected,
    ServerSentEvent,
    Silence,
    StatusError,
    TestClient,
)
from anylane.testing.client.event_parser import EventParser, LineSplitter


def app_of(handler, *, method: str = "GET", path: str = "/") -> App:
    app = App()
    app.route(path, methods=[method])(handler)
    return app


def websocket_app(handler, **options) -> App:
    app = App()
    app.websocket("/ws", **options)(handler)
    return app


async def echo(ctx):
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message)


async def mirror(ctx):
    """What the server saw."""
    request = ctx.request
    return {
        "method": request.method,
        "target": request.target,
        "headers": dict(request.headers.items()),
        "body": await request.text(),
    }


# --- requests --------------------------------------------------------------------------------


def test_an_answer_has_status_headers_and_body():
    async def handler(ctx):
        ctx.response.set_status(201).set_header("X-Kind", "cat")
        return {"a": 1}

    response = TestClient(app_of(handler)).get("/")
    assert (response.status, response.status_code, response.reason) == (201, 201, "Created")
    assert response.headers["x-kind"] == response.headers["X-KIND"] == "cat"
    assert (response.content, response.text, response.json()) == (b'{"a":1}', '{"a":1}', {"a": 1})
    assert response.http_version == "HTTP/1.1"
    assert response.error is None


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method_has_its_call(method):
    client = TestClient(app_of(mirror, method=method))
    assert getattr(client, method.lower())("/").json()["method"] == method


def test_head_has_the_headers_of_get_and_no_body():
    async def handler(ctx):
        return "hello"

    response = TestClient(app_of(handler)).head("/")
    assert response.headers["content-length"] == "5"
    assert response.content == b""


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, "/"),
        ({"params": {"a": 1, "b": ["x", "y"]}}, "/?a=1&b=x&b=y"),
        ({"params": [("a", "ä b")]}, "/?a=%C3%A4+b"),
    ],
)
def test_params_are_added_to_the_query(options, target):
    assert TestClient(app_of(mirror)).get("/", **options).json()["target"] == target


def test_a_path_is_encoded_once():
    client = TestClient(app_of(mirror, path="/{rest:path}"))
    assert client.get("/ä b").json()["target"] == "/%C3%A4%20b"
    assert client.get("/%C3%A4?q=1#part").json()["target"] == "/%C3%A4?q=1"


@pytest.mark.parametrize(
    ("options", "kind", "body"),
    [
        ({"json": {"a": [1]}}, "application/json", '{"a":[1]}'),
        ({"data": {"a": "1 2", "b": "ü"}}, "application/x-www-form-urlencoded", "a=1+2&b=%C3%BC"),
        ({"content": "text"}, None, "text"),
        ({"content": b"bytes"}, None, "bytes"),
        ({"content": (piece for piece in (b"in ", b"pieces"))}, None, "in pieces"),
        ({}, None, ""),
    ],
)
def test_bodies(options, kind, body):
    seen = TestClient(app_of(mirror, method="POST")).post("/", **options).json()
    assert seen["body"] == body
    assert seen["headers"].get("content-type") == kind


def test_files_are_sent_as_multipart():
    client = TestClient(app_of(mirror, method="POST"))
    seen = client.post("/", data={"a": "1"}, files={"f": ("n.txt", b"x", "text/plain")}).json()
    kind, _, boundary = seen["headers"]["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    assert seen["body"] == (
        f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="f"; filename="n.txt"\r\n'
        f"Content-Type: text/plain\r\n\r\nx\r\n--{boundary}--\r\n"
    )


def test_a_request_has_one_body():
    with pytest.raises(UsageError, match="one body"):
        TestClient(App()).post("/", json=1, content=b"x")


def test_headers_of_the_client_yield_to_those_of_the_request():
    client = TestClient(app_of(mirror), headers={"X-A": "client", "X-B": "client"})
    headers = client.get("/", headers={"x-a": "request"}).json()["headers"]
    assert (headers["x-a"], headers["x-b"], headers["host"]) == ("request", "client", "testserver")


def test_an_absolute_url_names_the_host():
    client = TestClient(app_of(mirror))
    assert client.get("http://a.example:81/").json()["headers"]["host"] == "a.example:81"


def test_a_malformed_request_is_refused_before_it_is_sent():
    with pytest.raises(UsageError, match="Lockstep"):
        TestClient(App()).request("GE T", "/")


def test_expect_100_continue_sends_the_body_only_when_it_is_wanted():
    app = App()
    read: list[bytes] = []

    @app.post("/read")
    async def take(ctx):
        read.append(await ctx.request.body())

    @app.post("/refuse")
    async def refuse(ctx):
        raise HTTPError(403)

    def body():
        read.append(b"asked for")
        yield b"body"

    client = TestClient(app)
    expect = {"expect": "100-continue", "content-length": "4"}
    assert client.post("/refuse", content=body(), headers=expect).status == 403
    assert read == []
    assert client.post("/read", content=body(), headers=expect).status == 204
    assert read == [b"asked for", b"body"]


def test_early_hints_are_kept_beside_the_answer():
    async def handler(ctx):
        await ctx.early_hints(["</a.css>; rel=preload"])
        return "x"

    [(status, headers)] = TestClient(app_of(handler)).get("/").informational
    assert (status, headers["link"]) == (103, "</a.css>; rel=preload")


def test_raise_for_status_shows_what_the_server_said():
    async def handler(ctx):
        raise HTTPError(409, "taken")

    client = TestClient(app_of(handler))
    with pytest.raises(StatusError, match=r"GET / was answered with 409 .*taken") as caught:
        client.get("/").raise_for_status()
    assert caught.value.response.status == 409


def test_redirects_are_followed_when_asked():
    app = App()

    @app.post("/a")
    async def a(ctx):
        ctx.response.redirect("/b", 303).set_header("set-cookie", "k=v")

    app.get("/b")(mirror)

    @app.get("/loop")
    async def loop(ctx):
        ctx.response.redirect("/loop")

    client = TestClient(app)
    assert client.post("/a", json=1).status == 303
    response = client.post("/a", json=1, follow_redirects=True)
    assert [each.status for each in response.history] == [303]
    seen = response.json()
    assert (seen["method"], seen["body"], seen["headers"]["cookie"]) == ("GET", "", "k=v")
    assert "content-type" not in seen["headers"]
    with pytest.raises(UsageError, match="redirected"):
        client.get("/loop", follow_redirects=True)


# --- connections -----------------------------------------------------------------------------


async def client_port(ctx):
    return ctx.request.client[1]


def test_a_connection_is_kept_and_used_again():
    client = TestClient(app_of(client_port))
    assert client.get("/").json() == client.get("/").json()


def test_a_connection_that_the_server_closed_is_opened_again():
    client = TestClient(app_of(client_port), ServerConfig())
    first = client.get("/").json()
    client.advance(60)
    assert client.get("/").json() != first
    assert len(client.world.drivers) == 1


def test_several_connections_at_once_share_one_world():
    room: Broadcast[str] = Broadcast()
    app = App()

    @app.get("/wait")
    async def wait(ctx):
        with room.subscribe() as subscription:
            return await anext(aiter(subscription))

    @app.post("/tell")
    async def tell(ctx):
        return room.send("news")

    client = TestClient(app)
    with client.stream("GET", "/wait") as one, client.stream("GET", "/wait") as two:
        assert client.post("/tell").json() == 2
        assert (one.text, two.text) == ("news", "news")


# --- cookies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["plain", "two words", 'x"y', '"q"', "a;b", "a\\b", "ä", ""])
def test_a_cookie_comes_back_as_it_was_set(value):
    app = App()

    @app.get("/set")
    async def set_it(ctx):
        ctx.response.set_cookie("a", ctx.request.query["value"])

    @app.get("/")
    async def get_it(ctx):
        return ctx.request.cookies["a"]

    client = TestClient(app)
    client.get("/set", params={"value": value})
    assert client.get("/").text == value
    assert client.cookies["a"] == value


def test_cookies_are_remembered_sent_and_deleted():
    app = App()

    @app.get("/set")
    async def set_(ctx):
        ctx.response.add_header("set-cookie", "a=1; Path=/").add_header(
            "set-cookie", "b=2; Path=/b"
        )

    @app.get("/delete")
    async def delete(ctx):
        ctx.response.set_header("set-cookie", "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")

    @app.get("/{rest:path}")
    async def show(ctx):
        return ctx.request.headers.get("cookie", "none")

    client = TestClient(app)
    assert client.get("/x").text == "none"
    client.get("/set")
    assert client.cookies == {"a": "1", "b": "2"}
    assert client.get("/x").text == "a=1"
    assert client.get("/b/c").text == "b=2; a=1"
    assert client.get("/x", cookies={"c": "3"}).text == "a=1; c=3"
    client.get("/delete")
    assert client.get("/x").text == "none"
    client.cookies["own"] = "4"
    assert client.get("/x").text == "own=4"
    del client.cookies["own"]
    assert dict(client.cookies) == {"b": "2"}


@pytest.mark.parametrize(
    ("attributes", "url", "sent"),
    [
        ("Max-Age=10", "http://a.test/", True),
        ("Max-Age=0", "http://a.test/", False),
        ("Expires=Thu, 01 Jan 1970 00:00:10 GMT", "http://a.test/", True),
        ("Secure", "http://a.test/", False),
        ("Secure", "https://a.test/", True),
        ("", "http://b.a.test/", False),
        ("Domain=a.test", "http://b.a.test/", True),
        ("Domain=other.test", "http://other.test/", False),
        ("Path=/deep", "http://a.test/deeper", False),
        ("Path=/deep", "http://a.test/deep/er", True),
    ],
)
def test_a_cookie_goes_where_it_belongs(attributes, url, sent):
    app = App()

    @app.get("/{rest:path}")
    async def handler(ctx):
        ctx.response.set_header("set-cookie", f"k=v; {attributes}")
        return ctx.request.headers.get("cookie", "")

    client = TestClient(app)
    client.get("http://a.test/set")
    assert (client.get(url).text == "k=v") is sent


def test_a_cookie_ends_in_virtual_time():
    async def handler(ctx):
        ctx.response.set_header("set-cookie", "k=v; Max-Age=10")

    client = TestClient(app_of(handler))
    client.get("/")
    client.advance(10)
    assert client.cookies.header("http", "testserver", "/", client.now) == {}


# --- time and silence ------------------------------------------------------------------------


def test_virtual_time_jumps_while_the_client_waits():
    async def handler(ctx):
        await ctx.sleep(25)
        return "late"

    client = TestClient(app_of(handler))
    assert client.get("/").text == "late"
    assert client.now == 25


def test_a_handler_that_is_too_late_is_answered_for():
    async def handler(ctx):
        await ctx.sleep(1000)

    client = TestClient(app_of(handler), ServerConfig(request_timeout=5))
    assert client.get("/").status == 503
    assert client.now == 5


def test_what_can_never_come_is_an_error_that_says_what_the_handler_waits_for():
    room: Broadcast[str] = Broadcast()

    async def handler(ctx):
        async with ctx.stream() as out:
            with room.subscribe() as subscription:
                async for item in subscription:
                    await out.write(item)

    client = TestClient(app_of(handler))
    with client.stream("GET", "/") as response:
        room.send("a")
        assert next(response.iter_bytes()) == b"a"
        with pytest.raises(
            Silence, match=r"the answer to GET / can never come: GET /: .*handler .* awaits "
        ):
            next(response.iter_bytes())


def test_a_handler_that_only_ever_sleeps_is_found_out():
    async def handler(ctx):
        async with ctx.stream():
            while True:
                await ctx.sleep(60)

    client = TestClient(app_of(handler))
    with client.stream("GET", "/") as response, pytest.raises(Silence, match="has jumped to"):
        response.read()


# --- streams ---------------------------------------------------------------------------------


async def ticks(ctx):
    ctx.response.set_header("content-type", "text/plain; charset=utf-8")
    async with ctx.stream() as out:
        for n in range(3):
            await out.write(f"tick {n}\nü"[:-1] if n < 2 else "end ü")
            await ctx.sleep(1)


def test_a_stream_is_read_as_it_comes():
    client = TestClient(app_of(ticks))
    with client.stream("GET", "/") as response:
        assert response.status == 200
        pieces = response.iter_bytes()
        assert (next(pieces), client.now) == (b"tick 0\n", 0)
        assert (next(pieces), client.now) == (b"tick 1\n", 1)
        assert response.read() == "end ü".encode()
    assert client.get("/").text == "tick 0\ntick 1\nend ü"


def test_lines_of_a_stream():
    with TestClient(app_of(ticks)).stream("GET", "/") as response:
        assert list(response.iter_lines()) == ["tick 0", "tick 1", "end ü"]


def test_an_endless_stream_waits_for_its_reader():
    written = []

    async def handler(ctx):
        async with ctx.stream() as out:
            while True:
                await out.write(b"x" * 10_000)
                written.append(1)

    client = TestClient(app_of(handler))
    with client.stream("GET", "/") as response:
        assert response.status == 200
        held = len(written)
        for piece, _ in zip(response.iter_bytes(), range(200), strict=False):
            assert piece.strip(b"x") == b""
        assert len(written) > held
        assert len(written) < 300
    assert client.world.drivers == []


def test_leaving_a_stream_early_disconnects():
    seen = []

    async def handler(ctx):
        try:
            async with ctx.stream() as out:
                await out.write("a")
                await ctx.sleep(60)
        except Disconnected as exc:
            seen.append(exc)
            raise

    client = TestClient(app_of(handler))
    with client.stream("GET", "/") as response:
        assert next(response.iter_bytes()) == b"a"
    assert len(seen) == 1
    assert client.log == []


def test_events_are_parsed_as_a_browser_does():
    async def handler(ctx):
        ctx.response.set_header("content-type", "text/event-stream")
        async with ctx.stream() as out:
            await out.write(': hello\nevent: tick\nid: 7\ndata: {"n":1}\n\n')
            await ctx.sleep(1)
            await out.write("data: a\ndata: b\n\ndata: never ended")

    with TestClient(app_of(handler)).stream("GET", "/") as response:
        one, two = response.iter_events()
    assert one == ServerSentEvent('{"n":1}', "tick", "7")
    assert one.json() == {"n": 1}
    assert two == ServerSentEvent("a\nb", "message", "7")


def test_heartbeats_without_an_event_do_not_wait_for_ever():
    async def handler(ctx):
        async with ctx.stream() as out:
            while True:
                await out.write(":\n\n")
                await ctx.sleep(15)

    response = TestClient(app_of(handler)).stream("GET", "/")
    with response, pytest.raises(Silence, match="comments"):
        next(response.iter_events())


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: a\n\n", [ServerSentEvent("a")]),
        ("\ufeffdata:a\r\n\r\n", [ServerSentEvent("a")]),
        ("data:  a\r\r", [ServerSentEvent(" a")]),
        ("data\n\n", [ServerSentEvent("")]),
        ("event: x\n\ndata: b\n\n", [ServerSentEvent("b")]),
        ("id: 1\ndata: a\n\nid\ndata: b\n\n", [ServerSentEvent("a", id="1"), ServerSentEvent("b")]),
        ("id: 1\0\ndata: a\n\n", [ServerSentEvent("a")]),
        ("retry: 10\ndata: a\n\n", [ServerSentEvent("a", retry=10)]),
        ("retry: x\ndata: a\n\n", [ServerSentEvent("a")]),
        ("other: x\n:comment\ndata: a\n\n", [ServerSentEvent("a")]),
        ("data: a", []),
        ("data: a\u2028b\n\n", [ServerSentEvent("a\u2028b")]),
    ],
)
def test_the_event_grammar_wherever_it_is_cut(text, events):
    whole = EventParser()
    assert whole.feed(text) == events
    pieces = EventParser()
    assert [event for character in text for event in pieces.feed(character)] == events


def test_a_carriage_return_ends_its_line_at_once():
    lines = LineSplitter()
    assert lines.feed("a\r") == ["a"]
    assert lines.feed("\nb\n\r\nc") == ["b", ""]
    assert (lines.flush(), lines.flush()) == (["c"], [])


def test_trailers_follow_the_body():
    async def handler(ctx):
        ctx.response.set_header("trailer", "x-sum").set_trailer("x-sum", "42")
        async with ctx.stream() as out:
            await out.write("a")

    assert TestClient(app_of(handler)).get("/").trailers["x-sum"] == "42"


# --- WebSockets ------------------------------------------------------------------------------


def test_messages_go_both_ways():
    with TestClient(websocket_app(echo)).websocket("/ws") as ws:
        for message in ("hi", b"\x00\xff", "x" * 200_000, ""):
            ws.send(message)
            assert ws.receive() == message
        ws.send_json({"a": 1})
        assert ws.receive_json() == {"a": 1}
        assert ws.ping() == 0
        assert ws.close_code is None
    assert ws.close_code == 1000


def test_close_sends_its_code():
    seen = []

    async def handler(ctx):
        ws = await ctx.accept()
        try:
            await ws.receive()
        except Disconnected as exc:
            seen.append((exc.code, exc.reason))

    with TestClient(websocket_app(handler)).websocket("/ws") as ws:
        ws.close(4001, "enough")
        with pytest.raises(Disconnected):
            ws.send("late")
    assert seen == [(4001, "enough")]
    assert ws.close_code == 4001


def test_the_servers_close_ends_the_messages():
    async def handler(ctx):
        ws = await ctx.accept()
        await ws.send("a")
        await ws.close(1001, "bye")

    with TestClient(websocket_app(handler)).websocket("/ws") as ws:
        assert list(ws) == ["a"]
        assert (ws.close_code, ws.close_reason) == (1001, "bye")
        with pytest.raises(Disconnected) as caught:
            ws.receive()
    assert caught.value.code == 1001


def test_a_subprotocol_is_negotiated():
    client = TestClient(websocket_app(echo, subprotocols=["b", "c"]))
    with client.websocket("/ws", subprotocols=["a", "b"]) as ws:
        assert ws.subprotocol == "b"


def test_a_rejection_carries_the_response():
    async def handler(ctx):
        ctx.response.set_status(403).set_text("members only")

    client = TestClient(websocket_app(handler))
    with pytest.raises(Rejected, match="members only") as caught:
        client.websocket("/ws")
    assert caught.value.response.status == 403
    with pytest.raises(Rejected, match="404"):
        client.websocket("/nowhere")


def test_pings_are_answered_while_time_passes():
    client = TestClient(websocket_app(echo))
    with client.websocket("/ws") as one, client.websocket("/ws") as two:
        client.advance(3600)
        for ws in (one, two):
            ws.send("still here")
            assert ws.receive() == "still here"


def test_receive_is_late_or_hopeless():
    client = TestClient(websocket_app(echo))
    with client.websocket("/ws") as ws:
        with pytest.raises(TimeoutError, match="a message of /ws did not come within 50 seconds"):
            ws.receive(timeout=50)
        assert client.now == 50
        with pytest.raises(Silence, match=r"echo \(.*\) awaits WebSocket\.receive"):
            ws.receive()


def test_a_failure_in_the_block_is_not_hidden():
    with pytest.raises(ZeroDivisionError), TestClient(websocket_app(echo)).websocket("/ws"):
        raise ZeroDivisionError


# --- what handlers raise ---------------------------------------------------------------------


async def broken(ctx):
    raise ValueError("broken")


def test_an_exception_is_a_500_that_carries_it():
    client = TestClient(app_of(broken))
    response = client.get("/")
    assert response.status == 500
    assert isinstance(response.error, ValueError)
    assert client.log[-1].error is response.error
    assert client.get("/nowhere").error is None


def test_an_exception_passes_when_asked():
    client = TestClient(app_of(broken), raise_server_exceptions=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            client.get("/")
    assert client.get("/nowhere").status == 404


def test_an_exception_that_was_dealt_with_is_none():
    app = app_of(broken)
    app.exception_handler(ValueError)(lambda ctx, exc: {"dealt": "with"})
    response = TestClient(app, raise_server_exceptions=True).get("/")
    assert (response.json(), response.error) == ({"dealt": "with"}, None)


def test_what_went_wrong_is_shown_with_its_traceback(capsys):
    client = TestClient(app_of(broken))
    client.get("/nowhere")
    assert capsys.readouterr() == ("", "")
    client.get("/")
    shown = capsys.readouterr().err
    assert re.match(r"error: .*broken \(.*\) failed on GET /: ValueError\('broken'\)\n", shown)
    assert "Traceback (most recent call last):" in shown
    assert 'raise ValueError("broken")' in shown


@pytest.mark.parametrize("backend", [None, "asyncio", "threads"])
def test_what_was_too_slow_is_shown(capsys, backend):
    async def slow(ctx):
        await ctx.sleep(60)

    config = ServerConfig(request_timeout=0.05)
    with TestClient(app_of(slow), config, backend=backend) as client:
        assert client.get("/").status == 503
    assert "slow (" in (shown := capsys.readouterr().err)
    assert "took longer than 0.05 seconds: 503" in shown


def test_an_app_goes_on_where_nothing_can_be_shown(monkeypatch):
    client = TestClient(app_of(broken))
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr("sys.stderr", stream)
        assert client.get("/").status == 500


def test_a_status_error_comes_from_what_the_handler_raised():
    response = TestClient(app_of(broken)).get("/")
    assert repr(response).endswith(" 500 to GET http://testserver/: ValueError('broken')>")
    with pytest.raises(StatusError, match="was answered with 500") as caught:
        response.raise_for_status()
    assert caught.value.__cause__ is response.error


def test_a_refused_handshake_comes_from_what_the_handler_raised():
    with pytest.raises(Rejected) as caught:
        TestClient(websocket_app(broken)).websocket("/ws")
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("backend", [None, "asyncio", "threads"])
def test_a_failing_test_shows_the_exception_of_the_handler(tmp_path, backend):
    (tmp_path / "test_app.py").write_text(
        f"""
from anylane import App
from anylane.testing import TestClient

app = App()

@app.get("/page")
async def page(ctx):
    return {{}}["what the page needs"]

@app.get("/fine")
async def fine(ctx):
    return "fine"

def test_page():
    with TestClient(app, backend={backend!r}) as client:
        assert client.get("/page").status == 200

def test_that_expects_it():
    with TestClient(app, backend={backend!r}) as client:
        assert client.get("/page").status == 500
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout
    assert "1 failed, 1 passed" in said
    assert "<ClientResponse 500 to GET http://testserver/page: KeyError('what the page" in said
    assert said.count("Captured stderr") == 1
    shown = said.partition("Captured stderr call")[2]
    assert "page (" in shown
    assert 'return {}["what the page needs"]' in shown
    assert "KeyError: 'what the page needs'" in shown


async def half(ctx):
    async with ctx.stream() as out:
        await out.write("half")
        raise ValueError("broken")


def test_a_response_that_breaks_off_is_incomplete():
    client = TestClient(app_of(half))
    with client.stream("GET", "/") as response:
        assert next(response.iter_bytes()) == b"half"
        with pytest.raises(IncompleteResponse, match="GET /") as caught:
            response.read()
        assert isinstance(response.error, ValueError)
        assert caught.value.__cause__ is response.error
    raising = TestClient(app_of(half), raise_server_exceptions=True)
    with pytest.raises(ValueError, match="broken"):
        raising.get("/")


def test_an_exception_in_a_session_closes_it_with_1011():
    async def handler(ctx):
        ws = await ctx.accept()
        raise ValueError(await ws.receive())

    with TestClient(websocket_app(handler)).websocket("/ws") as ws:
        ws.send("broken")
        with pytest.raises(Disconnected):
            ws.receive()
        assert ws.close_code == 1011
        assert isinstance(ws.error, ValueError)
        assert repr(ws).endswith(" closed with 1011 http://testserver/ws: ValueError('broken')>")
        with pytest.raises(Disconnected) as caught:
            ws.receive()
        assert caught.value.__cause__ is ws.error
    raising = TestClient(websocket_app(handler), raise_server_exceptions=True)
    with pytest.raises(ValueError, match="broken"), raising.websocket("/ws") as ws:
        ws.send("broken")


def test_each_response_has_the_errors_of_its_own_connection():
    app = app_of(broken)
    app.get("/fine")(client_port)
    client = TestClient(app)
    with client.stream("GET", "/fine") as fine, client.stream("GET", "/") as failed:
        assert isinstance(failed.error, ValueError)
        assert fine.error is None


# --- start and end ---------------------------------------------------------------------------


def test_with_runs_the_hooks():
    app = App()
    said = []
    app.on_startup(lambda: said.append("up"))
    app.on_shutdown(lambda: said.append("down"))
    app.get("/")(mirror)
    with TestClient(app) as client:
        assert said == ["up"]
        client.get("/")
    assert said == ["up", "down"]


def test_without_with_the_first_request_starts_and_close_ends():
    app = App()
    said = []
    app.on_startup(lambda: said.append("up"))
    app.on_shutdown(lambda: said.append("down"))
    client = TestClient(app)
    assert said == []
    client.get("/")
    client.close()
    client.close()
    assert said == ["up", "down"]


def test_what_a_startup_hook_raises_passes():
    app = App()

    @app.on_startup
    async def fail():
        raise ValueError("no database")

    with pytest.raises(ValueError, match="no database"), TestClient(app):
        pass


def test_close_ends_what_still_runs():
    ended = []

    async def handler(ctx):
        try:
            ws = await ctx.accept()
            await ws.receive()
        finally:
            ended.append(1)

    with TestClient(websocket_app(handler)) as client:
        client.websocket("/ws")
    assert ended == [1]


def test_a_connection_by_hand_joins_the_world():
    client = TestClient(app_of(client_port))
    wire = Lockstep(world=client.world)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 200 ")
    assert client.get("/").status == 200


def test_close_leaves_no_connection():
    client = TestClient(app_of(client_port))
    client.get("/")
    world = client.world
    assert len(world.drivers) == 1
    client.close()
    assert world.drivers == []


def test_a_client_is_no_proxy():
    """With the settings of production an app can be asked that is served behind one."""
    app = App()

    @app.get("/")
    async def home(ctx):
        return "hi"

    config = ServerConfig(proxy_protocol=True)
    for backend in (None, "asyncio"):
        with TestClient(app, config, backend=backend) as client:
            assert client.get("/").text == "hi"
