"""Every limit and deadline: what happens at it, and what happens one over.

A row is a scenario that is run twice. Of the last value that fits it must tell `within`, of the
next one `beyond`. docs/limits.md is drawn from the rows, so what it promises is what is shown
here, and a setting without a row fails the suite.
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

from anylane import App, Limits, ServerConfig, Timeouts
from anylane.http import forms as form_module
from anylane.http.urlencoded import MAX_FIELDS, MAX_STRAY
from anylane.lane.arrivals.places import LEAVING
from anylane.lane.driver import Driver
from anylane.lane.server_core import ServerCore
from anylane.lane.wake_queue import WakeQueue
from anylane.log_limit import MAX_LINES
from anylane.protocol import Connection
from anylane.protocol.refusal import LINGER
from anylane.testing import Lockstep, World

BEFORE = 1 / 1024
"""A moment before a deadline; exact in binary."""

Scenario = Callable[[Any, Any], str]
"""The limit, as it is configured, and a value around it -> what was seen."""


@dataclass(frozen=True)
class Row:
    """setting: as in ServerConfig, dotted, or a module's constant. limit: its value in the test.
    steps: what is added to it for the two runs. lanes: the conformance cases that show the same on
    every lane, where the wire can."""

    setting: str
    within: str
    beyond: str
    scenario: Scenario
    limit: Any
    steps: tuple[Any, Any]
    lanes: tuple[str, ...] = ()
    note: str = field(default="")

    @property
    def test(self) -> str:
        return self.scenario.__name__


ROWS: list[Row] = []


def at_the_limit(
    setting: str,
    limit: Any,
    *,
    within: str,
    beyond: str,
    steps: tuple[Any, Any] | None = None,
    lanes: tuple[str, ...] = (),
    note: str = "",
) -> Callable[[Scenario], Scenario]:
    """Register a row. A size holds at the limit, and not one over; a deadline a moment before."""
    if steps is None:
        steps = (-BEFORE, 0) if isinstance(limit, float) else (0, 1)

    def register(scenario: Scenario) -> Scenario:
        ROWS.append(Row(setting, within, beyond, scenario, limit, steps, lanes, note))
        return scenario

    return register


# --- what the rows are checked for ---------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # When the tests are collected, and so behind all the rows below.
    if "row" in metafunc.fixturenames:
        metafunc.parametrize("row", ROWS, ids=[f"{each.setting}-{each.test}" for each in ROWS])


LANE: dict[str, Any] = {}
"""Whether plain requests and frames are read directly: each row holds either way."""


@pytest.mark.parametrize("express", [True, False], ids=["express", "authorities"])
def test_within_it_all_is_well_and_beyond_it_this_happens(
    row: Row, express: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LANE, "express", express)
    assert row.scenario(row.limit, row.limit + row.steps[0]) == row.within
    assert row.scenario(row.limit, row.limit + row.steps[1]) == row.beyond


def test_every_limit_has_a_row() -> None:
    settings = {
        *(f"limits.{each.name}" for each in fields(Limits)),
        *(f"timeouts.{each.name}" for each in fields(Timeouts)),
        *(each.name for each in fields(ServerConfig) if each.name.startswith("max_")),
        "request_timeout",
    }
    shown = {each.setting for each in ROWS}
    assert settings - shown == set(), "write a row for it in tests/whole/test_limits.py"
    assert {each for each in shown - settings if not each.startswith("anylane")} == set()


def test_the_cases_that_rows_name_exist() -> None:
    from anylane_conformance.cases import load

    assert {name for row in ROWS for name in row.lanes} <= load().keys()


# --- the other end -------------------------------------------------------------------------------


def make_app() -> App:
    app = App()

    @app.get("/")
    @app.get("/{rest:path}")
    async def any_path(ctx):
        return "ok"

    @app.get("/query")
    async def query(ctx):
        return ctx.request.query.get("a")

    @app.get("/cookie")
    async def cookie(ctx):
        return ctx.request.cookies.get("a", "")

    @app.post("/form")
    async def form(ctx):
        return str(len(await ctx.request.form()))

    @app.post("/")
    async def echo(ctx):
        return await ctx.request.body()

    @app.post("/unread")
    async def unread(ctx):
        return "unread"

    @app.get("/never")
    @app.post("/never")
    async def never(ctx):
        await ctx.sleep(1000)

    @app.get("/stream")
    async def stream(ctx):
        async with ctx.stream() as out:
            await out.write("first")
            await ctx.sleep(1000)

    @app.websocket("/echo")
    async def echo_messages(ctx):
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)

    @app.websocket("/leave")
    async def leave(ctx):
        await ctx.accept()
        await ctx.sleep(1)

    @app.get("/huge")
    async def huge(ctx):
        return b"x" * 10_000

    @app.get("/large")
    async def large(ctx):
        return b"x" * 100

    return app


def serve(**settings: Any) -> Any:  # Any: its properties change under mypy
    """A wire to a server with these settings: `limits_` and `timeouts_` before their names."""
    values: dict[str, Any] = {"limits": {}, "timeouts": {}}
    for name, value in settings.items():
        table, _, inner = name.partition("_")
        if table in ("limits", "timeouts"):
            values[table][inner] = value
        else:
            values[name] = value
    values["limits"] = Limits(**values["limits"])
    values["timeouts"] = Timeouts(**values["timeouts"])
    return Lockstep(make_app(), ServerConfig(**LANE, **values))


def get(target: str = "/", *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


def post(target: str, length: int, body: bytes = b"", kind: str = "text/plain") -> bytes:
    lines = (f"Content-Length: {length}", f"Content-Type: {kind}")
    return get(target, *lines, method="POST") + body


def websocket(wire: Any, path: str) -> None:
    wire.receive(
        get(
            path,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
    )
    assert wire.take().startswith(b"HTTP/1.1 101 ")


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return bytes([fin << 7 | opcode]) + length + bytes(4) + payload


def seen(wire: Any) -> str:
    """Statuses, and what became of the connection."""
    found = re.findall(rb"HTTP/1\.1 (\d+) ", wire.take())
    return ", ".join([*(each.decode() for each in found), *ending(wire)]) or "nothing yet"


def frames(wire: Any) -> str:
    """WebSocket frames, and what became of the connection."""
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(wire.take())
    found = [
        f"close {int(each.payload[0])}" if each.opcode is Opcode.CLOSE else each.opcode.name.lower()
        for each in client.received_frames()
    ]
    return ", ".join([*found, *ending(wire)]) or "nothing yet"


def ending(wire: Any) -> list[str]:
    if wire.reset_sent:
        return ["reset"]
    return ["closed"] if wire.eof_sent else []


def reading(connection: Any) -> str:
    return "reads on" if connection.wants_read else "reading pauses"


def connection(**limits: int) -> Any:
    config = ServerConfig(**LANE, limits=Limits(**limits))
    return Connection(config, now=0, date=lambda: b"now", token=bytes)


# --- request heads -------------------------------------------------------------------------------


@at_the_limit("limits.target", 100, within="200", beyond="414, closed", lanes=("head_limits",))
def target_of_that_size(limit: int, size: int) -> str:
    wire = serve(limits_target=limit)
    wire.receive(get("/" + "x" * (size - 1)))
    return seen(wire)


@at_the_limit("limits.header_field", 50, within="200", beyond="431, closed", lanes=("head_limits",))
def header_line_of_that_size(limit: int, size: int) -> str:
    wire = serve(limits_header_field=limit)
    wire.receive(get("/", "x: " + "y" * (size - 3)))
    return seen(wire)


@at_the_limit(
    "limits.header_section", 200, within="200", beyond="431, closed", lanes=("head_limits",)
)
def header_lines_of_that_size_together(limit: int, size: int) -> str:
    wire = serve(limits_header_section=limit)
    fixed = len("Host: a\r\n") + len("x: \r\n")
    wire.receive(get("/", "x: " + "y" * (size - fixed)))
    return seen(wire)


@at_the_limit(
    "limits.proxy_header", 100, within="200", beyond="closed",
    lanes=("a_proxy_without_its_header_is_closed",), note="with proxy_protocol",
)  # fmt: skip
def header_of_a_proxy_of_that_size(limit: int, size: int) -> str:
    wire = serve(limits_proxy_header=limit, proxy_protocol=True, forwarded_allow_ips=("192.0.2.1",))
    padding = size - 16 - 12 - 3
    block = bytes(12) + b"\x04" + struct.pack("!H", padding) + bytes(padding)
    header = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H", len(block)) + block
    wire.receive(header + get())
    return seen(wire)


@at_the_limit("limits.header_count", 5, within="200", beyond="431, closed", lanes=("head_limits",))
def so_many_header_lines(limit: int, count: int) -> str:
    wire = serve(limits_header_count=limit)
    wire.receive(get("/", *["x: y"] * (count - 1)))
    return seen(wire)


@at_the_limit("anylane.http.urlencoded.MAX_FIELDS", MAX_FIELDS, within="200", beyond="400")
def so_many_query_fields(_limit: int, count: int) -> str:
    wire = serve()
    wire.receive(get("/query?" + "&".join(["a=b"] * count)))
    return seen(wire)


@at_the_limit("anylane.http.urlencoded.MAX_FIELDS", MAX_FIELDS, within="200", beyond="413")
def so_many_form_fields(_limit: int, count: int) -> str:
    return form(URLENCODED, b"&".join([b"a=b"] * count))


@at_the_limit(
    "anylane.http.urlencoded.MAX_FIELDS", MAX_FIELDS, within="seen", beyond="not looked at"
)
def so_many_cookies(_limit: int, count: int) -> str:
    wire = serve()
    wire.receive(get("/cookie", "Cookie: " + "x=;" * (count - 1) + "a=b"))
    return "seen" if wire.sent.endswith(b"b") else "not looked at"


@at_the_limit("anylane.http.urlencoded.MAX_STRAY", MAX_STRAY, within="200", beyond="400")
def so_many_stray_percent_signs_of_a_query(_limit: int, count: int) -> str:
    wire = serve()
    wire.receive(get("/query?a=b&" + "%" * count))
    return seen(wire)


@at_the_limit("anylane.http.urlencoded.MAX_STRAY", MAX_STRAY, within="200", beyond="400")
def so_many_stray_percent_signs_of_a_form(_limit: int, count: int) -> str:
    return form(URLENCODED, b"%&" * 10 + b"%" * (count - 10))


@at_the_limit("anylane.http.forms.MAX_HEADERS", form_module.MAX_HEADERS, within="200", beyond="413")
def headers_of_that_size_in_all_parts(_limit: int, size: int) -> str:
    fixed = len(b"content-disposition" + b"form-data; name=a; x=")
    parts = []
    while size:
        length = min(size, 1024) if size >= 2 * 1024 else size
        head = b"Content-Disposition: form-data; name=a; x=" + b"y" * (length - fixed)
        parts.append(b"--b\r\n" + head + b"\r\n\r\n\r\n")
        size -= length
    return form("multipart/form-data; boundary=b", b"".join(parts) + b"--b--\r\n")


URLENCODED = "application/x-www-form-urlencoded"


def form(kind: str, body: bytes) -> str:
    wire = serve(limits_body=1 << 20)
    wire.receive(post("/form", len(body), body, kind=kind))
    return seen(wire)


# --- request bodies ------------------------------------------------------------------------------


@at_the_limit(
    "limits.body",
    100,
    within="200",
    beyond="413, closed",
    lanes=("body_limit", "routes_bound_their_own_bodies"),
)
def declared_body_of_that_size(limit: int, size: int) -> str:
    wire = serve(limits_body=limit)
    wire.receive(post("/", size, b"x" * size))
    return seen(wire)


@at_the_limit(
    "limits.body",
    100,
    within="200",
    beyond="413, closed",
    lanes=("body_limit", "routes_bound_their_own_bodies"),
)
def chunked_body_of_that_size(limit: int, size: int) -> str:
    wire = serve(limits_body=limit)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)
    wire.receive(get("/", "Transfer-Encoding: chunked", method="POST") + body)
    return seen(wire)


@at_the_limit(
    "limits.chunk_overhead", 100, within="200", beyond="400, closed", steps=(0, 4),
    lanes=("chunk_overhead_limit",),
)  # fmt: skip
def framing_of_so_much_more_than_its_data(limit: int, more: int) -> str:
    wire = serve(limits_chunk_overhead=limit)
    chunks = b"1\r\nx\r\n" * (more // 4) + b"0\r\n\r\n"
    wire.receive(get("/", "Transfer-Encoding: chunked", method="POST") + chunks)
    return seen(wire)


@at_the_limit(
    "anylane.protocol.http1.body._MAX_CHUNK_LINE", 256, within="200", beyond="400, closed",
    note="longer is an attack, not a size",
)  # fmt: skip
def chunk_size_line_of_that_size(_limit: int, size: int) -> str:
    wire = serve()
    line = b"1;" + b"x" * (size - 4) + b"\r\n"
    head = get("/", "Transfer-Encoding: chunked", method="POST")
    wire.receive(head + line + b"a\r\n0\r\n\r\n")
    return seen(wire)


@at_the_limit(
    "limits.drain_body", 50, within="200, 200", beyond="200, closed", lanes=("unread_body_limit",)
)
def unread_body_of_that_size(limit: int, size: int) -> str:
    wire = serve(limits_drain_body=limit)
    wire.receive(post("/unread", size))
    wire.receive(b"x" * size + get())
    return seen(wire)


@at_the_limit(
    "limits.linger", 50, within="lingers", beyond="reset", lanes=("lingering_has_a_limit",)
)
def input_of_that_size_after_a_refusal(limit: int, size: int) -> str:
    wire = serve(limits_linger=limit)
    wire.receive(b"nonsense\r\n\r\n")
    assert seen(wire) == "400, closed"
    wire.receive(b"x" * size)
    return "reset" if wire.closed else "lingers"


# --- buffers: over their mark the bytes stay in the kernel ---------------------------------------


@at_the_limit(
    "limits.pipeline", 200, within="reads on", beyond="reading pauses", steps=(-1, 0),
    lanes=("pipelined_requests_are_answered_in_order",),
)  # fmt: skip
def input_of_that_size_behind_a_request(limit: int, size: int) -> str:
    conn = connection(pipeline=limit)
    conn.receive_data(get("/never") + b"x" * size, 0)
    return reading(conn)


@at_the_limit(
    "limits.inbound_high", 40, within="reads on", beyond="reading pauses",
    lanes=("held_upload_goes_on_without_new_input",),
)  # fmt: skip
def body_of_that_size_held_unread(limit: int, size: int) -> str:
    conn = connection(inbound_high=limit, inbound_low=1)
    conn.receive_data(post("/", 1000, b"x" * size), 0)
    return reading(conn)


@at_the_limit(
    "limits.inbound_low", 10, within="reads on", beyond="reading pauses",
    lanes=("held_upload_goes_on_without_new_input",),
)  # fmt: skip
def body_of_that_size_left_after_a_pause(limit: int, size: int) -> str:
    conn = connection(inbound_high=40, inbound_low=limit)
    conn.receive_data(post("/", 1000, b"x" * 41), 0)
    exchange = conn.next_exchange()
    conn.receive_data(b"x" * size, 0)
    assert not conn.wants_read
    exchange.read(0)
    return reading(conn)


@at_the_limit(
    "limits.outbound_high", 100, within="a write goes on", beyond="a write waits",
    lanes=("slow_reader_is_waited_for",),
)  # fmt: skip
def output_of_that_size_unsent(limit: int, size: int) -> str:
    conn = connection(outbound_high=limit, outbound_low=1)
    conn.send(b"x" * size)
    return "a write waits" if conn.congested else "a write goes on"


@at_the_limit(
    "limits.outbound_high", 1000, within="the next request is begun", beyond="it is not, nor read",
    lanes=("no_request_is_begun_while_answers_wait",),
)  # fmt: skip
def answer_of_that_size_unsent_before_the_next_request(limit: int, size: int) -> str:
    conn = connection(outbound_high=limit, outbound_low=1)
    conn.receive_data(get() * 2, 0)
    exchange = conn.next_exchange()
    exchange.respond(200, [], b"")
    conn.send(b"x" * (size - conn.queued))
    exchange.finish(0)
    conn.data_to_send()
    if conn.waiting:
        return "the next request is begun"
    return "it is not" if conn.wants_read else "it is not, nor read"


@at_the_limit(
    "limits.outbound_low", 20, within="a waiting write goes on", beyond="it waits",
    lanes=("slow_reader_is_waited_for",),
)  # fmt: skip
def output_of_that_size_still_unsent(limit: int, size: int) -> str:
    conn = connection(outbound_high=100, outbound_low=limit)
    conn.send(b"x" * 101)
    conn.data_to_send()
    conn.data_unsent(size, 0)
    return "a waiting write goes on" if conn.caught_up else "it waits"


@at_the_limit(
    "limits.pieces_per_turn", 5, within="all are answered", beyond="one is left for the next",
    lanes=("frames_of_one_read_keep_their_order",),
)  # fmt: skip
def frames_decoded_in_one_turn(limit: int, count: int) -> str:
    wire = serve(limits_pieces_per_turn=limit)
    websocket(wire, "/echo")
    conn = wire._driver.connection
    conn.receive_data(frame(9, b"") * count, 0)
    left = count - len(b"".join(conn.data_to_send())) // 2
    assert left == (conn.next_deadline() == 0 and not conn.wants_read)
    return "one is left for the next" if left else "all are answered"


@at_the_limit(
    "limits.message", 20, within="text", beyond="close 1009, closed", lanes=("message_limit",)
)
def message_of_that_size(limit: int, size: int) -> str:
    wire = serve(limits_message=limit)
    websocket(wire, "/echo")
    wire.receive(frame(1, b"x" * size))
    return frames(wire)


@at_the_limit(
    "limits.fragments", 3, within="text", beyond="close 1008, closed", lanes=("fragment_limit",)
)
def message_in_so_many_fragments(limit: int, count: int) -> str:
    wire = serve(limits_fragments=limit)
    websocket(wire, "/echo")
    for number in range(count):
        opcode, fin = 0 if number else 1, number == count - 1
        wire.receive(frame(opcode, b"x", fin=fin))
    return frames(wire)


# --- rates: bytes in each second, for a minute ---------------------------------------------------

PATIENCE = {"timeouts_body": 2.0, "timeouts_write_stall": 2.0, "timeouts_rate_grace": 2.0}


@at_the_limit(
    "limits.body_rate", 10, within="nothing yet", beyond="408, closed", steps=(0, -1),
    lanes=("body_has_a_minimum_rate",),
)  # fmt: skip
def body_that_comes_at_that_rate(limit: int, size: int) -> str:
    wire = serve(limits_body_rate=limit, request_timeout=1000, **PATIENCE)
    wire.receive(post("/", 10_000))
    for _ in range(60):
        wire.receive(b"x" * size)
        wire.advance(1)
    return seen(wire)


@at_the_limit(
    "limits.body_rate", 10, within="nothing yet", beyond="close 1008, closed", steps=(0, -1),
    lanes=("message_has_a_minimum_rate",),
)  # fmt: skip
def message_that_comes_at_that_rate(limit: int, size: int) -> str:
    wire = serve(limits_body_rate=limit, **PATIENCE)
    websocket(wire, "/echo")
    wire.receive(b"\x81\xfe" + struct.pack("!H", 10_000) + bytes(4))
    for _ in range(60):
        wire.receive(b"x" * size)
        wire.advance(1)
    return frames(wire)


@at_the_limit(
    "limits.pieces_per_turn", 5, within="all are decoded", beyond="one is left for the next",
    lanes=("chunks_of_one_read_keep_their_order",),
)  # fmt: skip
def chunks_decoded_in_one_turn(limit: int, count: int) -> str:
    conn = connection(pieces_per_turn=limit)
    conn.receive_data(get("/", "Transfer-Encoding: chunked", method="POST"), 0)
    conn.receive_data(b"1\r\nx\r\n" * count, 0)
    left = count - conn.waiting[0].buffered
    assert left == (conn.next_deadline() == 0 and not conn.wants_read)
    return "one is left for the next" if left else "all are decoded"


@at_the_limit(
    "limits.send_rate", 10, within="nothing yet", beyond="reset", steps=(0, -1),
    lanes=("answer_has_a_minimum_rate",),
)  # fmt: skip
def answer_that_is_taken_at_that_rate(limit: int, size: int) -> str:
    wire = serve(limits_send_rate=limit, **PATIENCE)
    wire.stall(kernel=5000)
    wire.receive(get("/huge"))
    for _ in range(60):
        wire.resume(size)
        wire.take()
        wire.advance(1)
    return seen(wire)


# --- turns, connections, threads -----------------------------------------------------------------


class EagerDriver(Driver):
    """Answers each exchange at once, as an eager task does, and counts in one turn of its loop."""

    __slots__ = ("answered", "called")

    def __init__(self, server: ServerCore) -> None:
        self.answered = 0
        self.called = False
        super().__init__(server, peer=None, local=None)

    def now(self) -> float:
        return 0.0

    def write(self, chunks: list[bytes]) -> None: ...

    def unsent(self) -> int:
        return 0

    def start(self, exchange: Any) -> None:
        self.answered += 1
        exchange.respond(204, (), b"")
        link: Any = type("Link", (), {"exchange": exchange, "notify": lambda self: None})()
        self.started(link)
        self.finished(link)

    def arm(self, deadline: float) -> None:
        self.called = True

    def set_reading(self, on: bool) -> None: ...

    def close(self, how: Any) -> None: ...


@at_the_limit(
    "limits.exchanges_per_turn", 4, within="all are started", beyond="one is left for the next",
    lanes=("pipelined_requests_are_answered_in_order",),
)  # fmt: skip
def requests_started_in_one_turn(limit: int, count: int) -> str:
    server = core(ServerConfig(**LANE, limits=Limits(exchanges_per_turn=limit)))
    driver = EagerDriver(server)
    driver.receive(get() * count)
    left = count - driver.answered
    if not left:
        return "all are started"
    assert driver.called, "the next turn has to be asked for"
    driver.timeout()
    assert driver.answered == count
    return "one is left for the next" if left == 1 else f"{left} are left"


def core(config: ServerConfig) -> ServerCore:
    server = ServerCore(
        make_app().freeze(),
        config,
        time=lambda: 0.0,
        date=lambda: b"",
        token=bytes,
        log=lambda *_: None,
        lane="none",
    )
    server.attach(WakeQueue(lambda: None), lambda: None)
    return server


@at_the_limit(
    "anylane.log_limit.MAX_LINES", MAX_LINES, within="a line for each",
    beyond="one is counted", lanes=("floods_of_refusals_write_a_bounded_number_of_lines",),
    note="a few show what happens; a flood of them fills the disk",
)  # fmt: skip
def so_many_refusals_in_a_second(_limit: int, count: int) -> str:
    world = World(make_app(), ServerConfig(**LANE))
    for _ in range(count):
        Lockstep(world=world).receive(b"nonsense\r\n\r\n")
    world.server.shutdown()
    lines = [record.message for record in world.log]
    counted = [line for line in lines if line == "refused requests: 1 more in the last 1 s"]
    assert len(lines) == min(count, MAX_LINES) + len(counted)
    return "one is counted" if counted else "a line for each"


@at_the_limit(
    "max_connections", 3, within="all stay", beyond="the one idle longest is closed",
    lanes=("the_one_idle_longest_goes", "idle_sockets_lock_nobody_out"),
)  # fmt: skip
def so_many_open_connections(limit: int, count: int) -> str:
    world = World(make_app(), ServerConfig(max_connections=limit))
    wires: list[Any] = []
    for _ in range(count):
        assert world.server.accepting
        wires.append(Lockstep(world=world))
        world.advance(1)
    gone = [wire for wire in wires if wire.closed]
    assert gone in ([], wires[:1]) and not any(wire.reset_sent for wire in gone)
    return "the one idle longest is closed" if gone else "all stay"


@at_the_limit(
    "max_connections", 3, within="accepts", beyond="accepting pauses",
    steps=(-1, 0), lanes=("too_many_connections_wait", "who_waits_is_served_when_another_is_idle"),
    note="where no connection is idle",
)  # fmt: skip
def so_many_busy_connections(limit: int, count: int) -> str:
    world = World(make_app(), ServerConfig(max_connections=limit))
    wires = [Lockstep(world=world) for _ in range(count)]
    for wire in wires:
        wire.receive(get("/never"))
    accepts = world.server.accepting
    wires[0].lose()
    assert world.server.accepting
    return "accepts" if accepts else "accepting pauses"


@at_the_limit(
    "max_connections", 3, within="nothing yet", beyond="503, closed",
    lanes=("a_full_house_can_refuse",),
    note='where no connection is idle and when_full = "refuse"',
)  # fmt: skip
def so_many_busy_connections_of_a_house_that_refuses(limit: int, count: int) -> str:
    world = World(make_app(), ServerConfig(max_connections=limit, when_full="refuse"))
    wires: list[Any] = []
    for _ in range(count):
        assert world.server.accepting
        wires.append(Lockstep(world=world))
        wires[-1].receive(get("/never"))
    return seen(wires[-1])


def of_clients(config: ServerConfig, limit: int, count: int, address: str) -> str:
    world = World(make_app(), config)
    wires: list[Any] = [
        Lockstep(world=world, peer=(address.format(number), 1)) for number in range(count)
    ]
    assert not any(wire.closed for wire in wires[:limit])
    return "closed" if wires[-1].closed else "all stay"


@at_the_limit(
    "max_connections_per_address", 3, within="all stay", beyond="closed",
    lanes=("a_client_can_be_bound",), note='with when_full = "refuse": 503, closed',
)  # fmt: skip
def so_many_connections_of_one_client(limit: int, count: int) -> str:
    config = ServerConfig(max_connections_per_address=limit)
    return of_clients(config, limit, count, "192.0.2.1")


@at_the_limit(
    "max_connections_per_network", 3, within="all stay", beyond="closed",
    lanes=("a_network_can_be_bound",), note='with when_full = "refuse": 503, closed',
)  # fmt: skip
def so_many_connections_of_one_network(limit: int, count: int) -> str:
    config = ServerConfig(max_connections_per_network=limit)
    return of_clients(config, limit, count, "192.0.2.{}")


@at_the_limit(
    "anylane.lane.arrivals.places.LEAVING", LEAVING, within="accepts", beyond="accepting pauses",
    steps=(-1, 0), note="let go for newcomers, and hooks of theirs still run",
)  # fmt: skip
def so_many_connections_that_leave(_limit: int, count: int) -> str:
    app = make_app()

    @app.on_disconnect
    async def goodbye(ctx):
        await ctx.sleep(100)

    world = World(app, ServerConfig(max_connections=1))
    for _ in range(1 + count):
        assert world.server.accepting
        Lockstep(world=world)
    return "accepts" if world.server.accepting else "accepting pauses"


@at_the_limit(
    "anylane.protocol.refusal.LINGER", LINGER, within="503, our side ended", beyond="503, closed",
    note="for a client that was refused, to read the answer",
)  # fmt: skip
def refused_client_that_stays_so_long(_limit: float, seconds: float) -> str:
    world = World(make_app(), ServerConfig(max_connections=1, when_full="refuse"))
    Lockstep(world=world).receive(get("/never"))
    wire: Any = Lockstep(world=world)
    wire.advance(seconds)
    assert b" 503 " in wire.sent and wire.eof_sent
    return "503, closed" if wire.closed else "503, our side ended"


@at_the_limit(
    "max_threads", 3, within="all run", beyond="the last waits for its turn",
    lanes=("quiet_connections_hold_no_thread",),
)  # fmt: skip
def so_many_functions_that_block(limit: int, count: int) -> str:
    return blocking(limit, count, background=False)


@at_the_limit(
    "max_threads", 3, within="all run", beyond="the last waits for its turn",
    lanes=("background_that_fills_its_threads_delays_no_handler",),
)  # fmt: skip
def so_many_functions_that_block_in_the_background(limit: int, count: int) -> str:
    return blocking(limit, count, background=True)


def blocking(limit: int, count: int, *, background: bool) -> str:
    from anylane_backends.thread_pool import Pool

    before = set(threading.enumerate())
    pool = Pool(core(ServerConfig(max_threads=limit)))
    go, begun = threading.Event(), threading.Semaphore(0)

    def block() -> bool:
        begun.release()
        return go.wait(10)

    futures = [pool.submit(block, lambda: None, background=background) for _ in range(count)]
    for _ in range(min(limit, count)):
        assert begun.acquire(timeout=10)
    assert pool.submit(lambda: True, lambda: None, background=not background).result(10)
    threads_of_the_others = 1
    # A thread for the last one would have been started by now, whether or not it has begun.
    threads = len(set(threading.enumerate()) - before) - threads_of_the_others
    go.set()
    assert all(each.result(10) for each in futures)
    pool.close()
    return "all run" if threads == count else "the last waits for its turn"


# --- deadlines -----------------------------------------------------------------------------------


@at_the_limit(
    "timeouts.tls_handshake", 3.0, within="nothing yet", beyond="reset",
    lanes=("handshake_has_a_deadline",),
)  # fmt: skip
def handshake_that_takes_so_long(limit: float, seconds: float) -> str:
    from anylane_backends.tls.layer import wrap
    from anylane_conformance.harness import certificates

    config = ServerConfig(
        **LANE, timeouts=Timeouts(tls_handshake=limit), **certificates.server("none")
    )
    wire: Any = Lockstep(world=World(make_app(), config, wrap=wrap(config)))
    wire.advance(seconds / 2)
    wire.receive(certificates.hello()[:10])
    wire.advance(seconds / 2)
    return seen(wire)


@at_the_limit(
    "timeouts.head", 3.0, within="nothing yet", beyond="reset",
    lanes=("a_proxy_header_has_a_deadline",), note="the header of a proxy, with proxy_protocol",
)  # fmt: skip
def header_of_a_proxy_that_takes_so_long(limit: float, seconds: float) -> str:
    wire = serve(timeouts_head=limit, proxy_protocol=True, forwarded_allow_ips=("192.0.2.1",))
    wire.advance(seconds / 2)
    wire.receive(b"PROXY ")
    wire.advance(seconds / 2)
    return seen(wire)


@at_the_limit(
    "timeouts.head", 3.0, within="nothing yet", beyond="408, closed",
    lanes=("header_drip_is_cut_off",),
)  # fmt: skip
def head_that_takes_so_long(limit: float, seconds: float) -> str:
    wire = serve(timeouts_head=limit)
    wire.receive(b"G")
    wire.advance(seconds / 2)
    wire.receive(b"ET / HTT")
    wire.advance(seconds / 2)
    return seen(wire)


@at_the_limit(
    "timeouts.body", 3.0, within="nothing yet", beyond="408, closed", lanes=("body_deadline",)
)
def body_whose_next_piece_takes_so_long(limit: float, seconds: float) -> str:
    wire = serve(timeouts_body=limit)
    wire.receive(post("/", 10))
    wire.advance(limit / 2)
    wire.receive(b"x")
    wire.advance(seconds)
    return seen(wire)


@at_the_limit(
    "timeouts.rate_grace", 3.0, within="nothing yet", beyond="408, closed",
    steps=(-BEFORE, BEFORE), lanes=("body_has_a_minimum_rate",),
)  # fmt: skip
def body_that_is_too_slow_for_so_long_and_a_pause(limit: float, seconds: float) -> str:
    wire = serve(timeouts_rate_grace=limit, timeouts_body=2.0, limits_body_rate=1 << 40)
    wire.receive(post("/", 100))
    for _ in range(3):
        wire.advance(1.5)
        wire.receive(b"x")
    wire.advance(2.0 + seconds - 4.5)
    return seen(wire)


@at_the_limit(
    "timeouts.keep_alive", 3.0, within="200", beyond="200, closed",
    lanes=("idle_connection_is_closed", "keep_alive_expires_exactly_at_its_deadline"),
)  # fmt: skip
def idleness_between_requests(limit: float, seconds: float) -> str:
    wire = serve(timeouts_keep_alive=limit)
    wire.advance(limit / 2)
    wire.receive(get())
    wire.advance(seconds)
    return seen(wire)


@at_the_limit(
    "timeouts.keep_alive", 3.0, within="nothing yet", beyond="closed",
    lanes=("idle_connection_is_closed",),
)  # fmt: skip
def idleness_before_the_first_request(limit: float, seconds: float) -> str:
    wire = serve(timeouts_keep_alive=limit)
    wire.advance(seconds)
    return seen(wire)


@at_the_limit(
    "timeouts.write_stall", 3.0, within="nothing yet", beyond="reset",
    lanes=("stalled_reader_is_reset",),
)  # fmt: skip
def reader_who_takes_nothing_for_so_long(limit: float, seconds: float) -> str:
    wire = serve(timeouts_write_stall=limit)
    wire.stall()
    wire.receive(get("/large"))
    wire.advance(limit / 2)
    wire.resume(1)
    assert wire.take()
    wire.advance(seconds)
    return seen(wire)


@at_the_limit(
    "timeouts.look", 3.0, within="200", beyond="200, closed",
    lanes=("client_that_leaves_behind_pipelined_input_is_noticed",
           "client_that_leaves_behind_unread_messages_is_noticed"),
)  # fmt: skip
def client_who_left_behind_unread_input_so_long_ago(limit: float, seconds: float) -> str:
    wire = serve(timeouts_look=limit, limits_pipeline=10)
    wire.receive(get("/stream"))
    wire.receive(get())
    wire.eof()
    wire.advance(seconds)
    return seen(wire)


@at_the_limit(
    "timeouts.ping", 3.0, within="nothing yet", beyond="ping", lanes=("pings_and_their_pongs",)
)
def websocket_that_is_quiet_for_so_long(limit: float, seconds: float) -> str:
    wire = serve(timeouts_ping=limit)
    websocket(wire, "/echo")
    wire.advance(seconds)
    return frames(wire)


@at_the_limit(
    "timeouts.pong", 3.0, within="ping", beyond="ping, close 1011, closed",
    lanes=("pings_and_their_pongs",),
)  # fmt: skip
def pong_that_takes_so_long(limit: float, seconds: float) -> str:
    wire = serve(timeouts_ping=1, timeouts_pong=limit)
    websocket(wire, "/echo")
    wire.advance(1)
    wire.advance(seconds)
    return frames(wire)


@at_the_limit(
    "timeouts.close", 3.0, within="close 1000", beyond="close 1000, closed",
    lanes=("close_that_nobody_answers",),
)  # fmt: skip
def close_frame_that_takes_so_long(limit: float, seconds: float) -> str:
    wire = serve(timeouts_close=limit)
    websocket(wire, "/leave")
    wire.advance(1)
    wire.advance(seconds)
    return frames(wire)


@at_the_limit(
    "timeouts.linger", 3.0, within="400, lingers", beyond="400, gone",
    lanes=("lingering_has_a_deadline",),
)  # fmt: skip
def client_who_stays_so_long_after_a_refusal(limit: float, seconds: float) -> str:
    wire = serve(timeouts_linger=limit)
    wire.receive(b"nonsense\r\n\r\n")
    wire.advance(seconds)
    assert seen(wire) == "400, closed"
    return "400, gone" if wire.closed else "400, lingers"


@at_the_limit(
    "timeouts.drain", 3.0, within="nothing yet", beyond="reset", lanes=("drain_deadline",)
)
def request_that_runs_so_long_into_the_drain(limit: float, seconds: float) -> str:
    wire = serve(timeouts_drain=limit)
    wire.receive(get("/never"))
    wire.world.server.shutdown()
    wire.advance(seconds)
    return seen(wire)


@at_the_limit(
    "request_timeout", 3.0, within="nothing yet", beyond="503, closed",
    lanes=(
        "handler_deadline",
        "handler_deadline_during_a_foreign_await",
        "stuck_def_is_answered_for",
        "all_threads_are_stuck",
    ),
)  # fmt: skip
def handler_that_takes_so_long(limit: float, seconds: float) -> str:
    wire = serve(request_timeout=limit)
    wire.receive(get("/never"))
    wire.advance(seconds)
    return seen(wire)
