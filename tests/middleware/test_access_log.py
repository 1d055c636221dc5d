"""AccessLog: one line about each exchange once it is over, with what it really was."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from anylane import App, Context, Disconnected, HTTPError, ServerConfig, UsageError
from anylane.config.limits import Timeouts
from anylane.lane.server_core import Access
from anylane.middleware import AccessLog, RequestId
from anylane.testing import Lockstep, TestClient, World
from anylane.testing.client.errors import IncompleteResponse

COMBINED = re.compile(
    r'(?P<client>\S+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" '
    r'(?P<status>\d{3}|-) (?P<bytes>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" '
    r'duration=(?P<duration>[0-9.]+) id=(?P<id>\S+) route="(?P<route>[^"]*)"(?P<more>.*)'
)


def app_with(part: AccessLog) -> App:
    app = App()
    app.use(RequestId(trust=True))
    app.use(part)

    @app.get("/")
    async def home(ctx: Context) -> str:
        return "home"

    @app.get("/users/{id:int}")
    def user(ctx: Context) -> str:
        return "user"

    @app.get("/items")
    async def items(ctx: Context) -> AsyncIterator[str]:
        for _ in range(3):
            await ctx.sleep(1)
            yield "item"

    @app.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            for n in range(100):
                await out.send(str(n))
                await ctx.sleep(1)

    @app.get("/fail")
    async def fail(ctx: Context) -> str:
        raise KeyError("x")

    @app.get("/cut")
    async def cut(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("1234")
            raise KeyError("x")

    @app.get("/late")
    async def late(ctx: Context) -> None:
        await ctx.sleep(1000)

    @app.get("/user")
    async def known(ctx: Context) -> str:
        ctx.user = {"sub": 'ann "x" \x1b'}
        return "x"

    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)

    @app.websocket("/closed")
    async def closed(ctx: Context) -> None:
        raise HTTPError(403)

    return app


def logging() -> tuple[TestClient, list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []
    part = AccessLog("json", log=lambda line: records.append(json.loads(line)))
    return TestClient(app_with(part)), records


def test_the_text_is_the_combined_format_with_more_behind_it() -> None:
    lines: list[str] = []
    asked = TestClient(app_with(AccessLog(log=lines.append)))
    headers = {"referer": "https://a.example/", "user-agent": "agent/1", "x-request-id": "abc"}
    asked.get("/users/5?x=1", headers=headers)
    (line,) = lines
    assert line == (
        '192.0.2.1 - - [01/Jan/1970:00:00:00 +0000] "GET /users/5?x=1 HTTP/1.1" 200 4 '
        '"https://a.example/" "agent/1" duration=0.0 id=abc route="/users/{id:int}"'
    )


def test_json_has_the_same_facts() -> None:
    asked, records = logging()
    headers = {"user-agent": "agent/1", "x-request-id": "abc"}
    asked.get("/users/5?x=1", headers=headers)
    assert records == [
        {
            "time": "1970-01-01T00:00:00.000+00:00",
            "client": "192.0.2.1",
            "user": None,
            "method": "GET",
            "target": "/users/5?x=1",
            "version": "1.1",
            "status": 200,
            "bytes": 4,
            "referer": None,
            "user_agent": "agent/1",
            "duration_ms": 0.0,
            "request_id": "abc",
            "route": "/users/{id:int}",
        }
    ]


@pytest.mark.parametrize(
    ("method", "path", "facts"),
    [
        ("GET", "/", (200, 4, 0, "/")),
        ("HEAD", "/", (200, 0, 0, "/")),
        ("GET", "/items", (200, 12, 3000, "/items")),
        ("GET", "/fail", (500, 26, 0, "/fail")),
        ("GET", "/nowhere", (404, 14, 0, None)),
        ("DELETE", "/", (405, 23, 0, None)),
        ("GET", "/cut", (200, 4, 0, "/cut")),
    ],
)
def test_status_bytes_and_duration_are_those_that_it_had(
    method: str, path: str, facts: tuple[int, int, float, str | None]
) -> None:
    asked, records = logging()
    if path == "/cut":
        with pytest.raises(IncompleteResponse):
            asked.get(path)
    else:
        asked.request(method, path)
    (record,) = records
    found = record["status"], record["bytes"], record["duration_ms"], record["route"]
    assert found == facts


def test_one_line_after_the_end_and_none_before_it() -> None:
    lines: list[str] = []
    wire = Lockstep(app_with(AccessLog(log=lines.append)))
    wire.receive(b"GET /items HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(2.5)
    assert lines == []
    wire.advance(1)
    assert len(lines) == 1
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    assert len(lines) == 4


def test_a_handler_that_takes_too_long_is_a_503() -> None:
    lines: list[str] = []
    wire = Lockstep(app_with(AccessLog(log=lines.append)), ServerConfig(request_timeout=5))
    wire.receive(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(6)
    assert wire.take().startswith(b"HTTP/1.1 503 ")
    (line,) = lines
    found = COMBINED.fullmatch(line)
    assert found is not None
    assert (found["status"], found["duration"]) == ("503", "5000.0")


def test_a_client_that_leaves_before_the_answer_has_no_status() -> None:
    lines: list[str] = []
    wire = Lockstep(app_with(AccessLog(log=lines.append)))
    wire.receive(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(2)
    wire.lose()
    (line,) = lines
    found = COMBINED.fullmatch(line)
    assert found is not None
    assert (found["status"], found["bytes"], found["duration"]) == ("-", "0", "2000.0")
    assert found["more"] == " disconnected"


def test_an_answer_to_a_client_that_has_left_is_none() -> None:
    lines: list[str] = []
    app = app_with(AccessLog(log=lines.append))

    @app.get("/stubborn")
    async def stubborn(ctx: Context) -> str:
        try:
            await ctx.sleep(10)
        except Disconnected:
            return "an answer"
        return "in time"

    wire = Lockstep(app)
    servers: list[Access] = []
    wire.receive(b"GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.lose()
    (line,) = lines
    assert '" - 0 "' in line

    wire = Lockstep(app)
    wire.world.server.access = servers.append
    wire.receive(b"GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.lose()
    assert [(each.status, each.sent) for each in servers] == [(0, 0)]


def test_a_client_that_leaves_an_event_stream_had_what_was_sent() -> None:
    lines: list[str] = []
    wire = Lockstep(app_with(AccessLog(log=lines.append)))
    wire.receive(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.advance(2.5)
    wire.lose()
    (line,) = lines
    found = COMBINED.fullmatch(line)
    assert found is not None
    assert (found["status"], found["bytes"], found["duration"]) == ("200", "27", "2500.0")
    assert found["more"] == " disconnected"


def test_a_websocket_has_its_session_and_its_close_code() -> None:
    asked, records = logging()
    with asked.websocket("/echo") as ws:
        ws.send("hello")
        assert ws.receive() == "hello"
        asked.advance(2)
        assert records == []
        ws.close(1001)
    (record,) = records
    found = record["status"], record["close_code"], record["duration_ms"], record["route"]
    assert found == (101, 1001, 2000.0, "/echo")
    assert record["bytes"] == 7


def test_a_rejected_handshake_is_its_answer() -> None:
    asked, records = logging()
    with pytest.raises(Exception, match="403"), asked.websocket("/closed"):
        pass
    (record,) = records
    assert record["status"] == 403
    assert "close_code" not in record


HOSTILE = '" 200 0 "-" "-"\\ \x1b[31m\x80\xe9\t'


def test_a_client_forges_no_line_and_no_field() -> None:
    lines: list[str] = []
    wire = Lockstep(app_with(AccessLog(log=lines.append)))
    hostile = HOSTILE.replace("\x1b", "").encode("latin-1")
    target = b'/%0d%0a"\\' + b"x" * 3000
    wire.receive(
        b"GET %b HTTP/1.1\r\nHost: a\r\nReferer: %b\r\nUser-Agent: %b\r\n\r\n"
        % (target, hostile, hostile)
    )
    (line,) = lines
    assert line.isascii() and line.isprintable()
    assert len(line) < 5000
    found = COMBINED.fullmatch(line)
    assert found is not None
    assert found["referer"] == r"\x22 200 0 \x22-\x22 \x22-\x22\x5C [31m\x80\xE9"
    assert found["request"].startswith(r"GET /%0d%0a\x22\x5Cxxx")


def test_json_lines_are_ascii_and_one_line() -> None:
    lines: list[str] = []
    wire = Lockstep(app_with(AccessLog("json", log=lines.append)))
    hostile = HOSTILE.replace("\x1b", "").encode("latin-1")
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: %b\r\n\r\n" % hostile)
    wire.receive(b"GET /user HTTP/1.1\r\nHost: a\r\n\r\n")
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert json.loads(lines[0])["user_agent"] == HOSTILE.replace("\x1b", "").strip()
    assert json.loads(lines[1])["user"] == 'ann "x" \x1b'


def test_the_user_is_a_field_of_its_own() -> None:
    lines: list[str] = []
    TestClient(app_with(AccessLog(log=lines.append))).get("/user")
    assert lines[0].startswith(r"192.0.2.1 - ann_\x22x\x22_\x1B [")


def test_no_secret_is_in_a_line() -> None:
    secret = "s3cret"
    asked, records = logging()
    headers = {"authorization": secret, "cookie": f"a={secret}", "x-api-key": secret}
    asked.get("/", headers=headers)
    assert secret not in json.dumps(records)
    lines: list[str] = []
    TestClient(app_with(AccessLog(query=False, log=lines.append))).get(f"/?token={secret}")
    assert secret not in lines[0]
    assert '"GET / HTTP/1.1"' in lines[0]


def test_what_is_given_as_log_may_fail() -> None:
    def log(line: str) -> None:
        raise OSError("the disk is full")

    asked = TestClient(app_with(AccessLog(log=log)))
    assert asked.get("/").text == "home"
    assert asked.get("/").text == "home"
    errors = [each.message for each in asked.log if each.level == "error"]
    assert len(errors) == 2
    assert "the disk is full" in errors[0]


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, KeyboardInterrupt])
def test_whatever_it_raises_the_next_request_is_answered(kind: type[BaseException]) -> None:
    def log(line: str) -> None:
        raise kind

    wire = Lockstep(app_with(AccessLog(log=log)))
    for _ in range(2):
        wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wire.take().endswith(b"home")


def test_without_log_lines_are_the_servers() -> None:
    asked = TestClient(app_with(AccessLog()))
    asked.get("/", headers={"x-request-id": "abc"})
    (line,) = [each for each in asked.log if each.level == "info"]
    assert line.message.endswith('id=abc route="/"')


@pytest.mark.parametrize("own_log", [False, True])
def test_the_server_writes_no_second_line_where_the_part_has_written_one(own_log: bool) -> None:
    servers: list[Access] = []
    lines: list[str] = []
    mine: list[str] = []
    world = World(app_with(AccessLog(log=mine.append) if own_log else AccessLog()))
    world.server.access = servers.append
    world.server.access_line = lambda line, _fields: lines.append(line)
    wire = Lockstep(world=world)
    wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    assert (len(servers), len(lines), len(mine)) == ((2, 0, 2) if own_log else (0, 2, 0))
    wire.receive(b"nonsense\r\n\r\n")  # No part has seen that.
    assert len(servers) == (3 if own_log else 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "xml"}, "expected 'text' or 'json'"),
        ({"log": 5}, "expected a `def` that takes a line"),
        ({"log": lambda: None}, "given to AccessLog as log"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AccessLog(**arguments)


def test_an_async_log_is_refused() -> None:
    async def log(line: str) -> None:
        """Do nothing."""

    with pytest.raises(UsageError, match="expected a `def`"):
        AccessLog(log=log)


def test_a_drain_ends_with_a_line_for_each_exchange() -> None:
    lines: list[str] = []
    config = ServerConfig(timeouts=Timeouts(drain=1))
    wire = Lockstep(app_with(AccessLog(log=lines.append)), config)
    wire.receive(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.world.server.shutdown()
    wire.advance(2)
    assert len(lines) == 1


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("given", [object(), b"id", 'a b route="/x"', "\ud800", "x" * 5000])
def test_what_an_app_has_made_the_id_or_the_user_costs_no_line(format: Any, given: object) -> None:
    lines: list[str] = []
    app = App()
    app.use(AccessLog(format, log=lines.append))

    @app.get("/")
    async def home(ctx: Context) -> str:
        ctx.state.request_id = given
        ctx.user = "al\ud800ice"
        return "home"

    assert TestClient(app).get("/").status == 200
    (line,) = lines
    assert line.isascii() and len(line) < 3000
    if format == "json":
        said = json.loads(line)
        assert said["user"] == "al?ice" and isinstance(said["request_id"], str)
    else:
        found = COMBINED.fullmatch(line)
        assert found is not None and found["route"] == "/" and found["more"] == ""


def test_head_of_an_event_stream_is_no_client_that_has_left() -> None:
    lines: list[str] = []
    client = TestClient(app_with(AccessLog(log=lines.append)))
    assert client.head("/events").status == 200
    (line,) = lines
    found = COMBINED.fullmatch(line)
    assert found is not None and (found["status"], found["more"]) == ("200", "")


def test_a_method_is_cut_off_like_the_other_texts_of_a_client() -> None:
    lines: list[str] = []
    TestClient(app_with(AccessLog(log=lines.append))).request("M" * 3000, "/")
    (line,) = lines
    assert '"' + "M" * 1024 + ' / HTTP/1.1"' in line
