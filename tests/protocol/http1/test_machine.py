"""HTTP/1.1 as a client sees it: what comes back for what was sent, and when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylane import App, Disconnected, HTTPError, Limits, ServerConfig, Timeouts
from anylane.errors import Cancelled, UsageError
from anylane.lane.stepping import PARK
from anylane.protocol import Closing, Connection, Timer
from anylane.testing import Lockstep

LIMITS = Limits(
    body=100,
    pipeline=200,
    drain_body=20,
    linger=1000,
    inbound_high=40,
    inbound_low=10,
    outbound_high=1000,
    outbound_low=100,
    send_rate=1,
)
TIMEOUTS = Timeouts(
    head=1, body=2, keep_alive=3, write_stall=4, ping=5, pong=6, close=7, linger=8, drain=9
)
CONFIG = ServerConfig(limits=LIMITS, timeouts=TIMEOUTS, request_timeout=20)
BEFORE = 1 / 1024
"""A moment before; exact in binary."""


def make_app() -> App:  # noqa: C901  # a list of handlers
    app = App()

    @app.get("/")
    async def index(ctx):
        return "ok"

    @app.post("/echo")
    async def echo(ctx):
        return await ctx.request.body()

    @app.post("/unread")
    async def unread(ctx):
        return "unread"

    @app.get("/slow")
    @app.post("/slow")
    async def slow(ctx):
        await ctx.sleep(10)
        return "slow"

    @app.get("/never")
    async def never(ctx):
        await ctx.sleep(1000)

    @app.get("/stream")
    async def stream(ctx):
        async with ctx.stream() as out:
            await out.write("ab")
            await ctx.sleep(5)
            await out.write("c")

    @app.post("/late-read")
    async def late_read(ctx):
        await ctx.sleep(10)
        return await ctx.request.body()

    @app.post("/answer-then-read")
    async def answer_then_read(ctx):
        async with ctx.stream() as out:
            await out.write(await ctx.request.body())

    @app.post("/trailers")
    async def trailers(ctx):
        await ctx.request.body()
        return ctx.request.trailers.get("x")

    @app.get("/short")
    async def short(ctx):
        async with ctx.stream(length=5) as out:
            await out.write("abc")

    @app.get("/long")
    async def long(ctx):
        async with ctx.stream(length=2) as out:
            await out.write("ab")
            await out.write("c")

    @app.get("/fails-late")
    async def fails_late(ctx):
        async with ctx.stream() as out:
            await out.write("ab")
            raise RuntimeError

    @app.get("/status/{status:int}")
    async def status(ctx):
        ctx.response.set_status(ctx.params["status"])
        return "body"

    @app.get("/split")
    async def split(ctx):
        ctx.response.set_header("x", "a\r\nset-cookie: b")

    @app.get("/teapot")
    async def teapot(ctx):
        raise HTTPError(418)

    return app


def open_wire(config: ServerConfig = CONFIG) -> Any:  # Any: its properties change under mypy
    return Lockstep(make_app(), config)


def get(path: str = "/", *fields: str, version: str = "1.1", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "host: a", *fields, "", ""]).encode()


def post(path: str, *fields: str, body: bytes = b"") -> bytes:
    return get(path, *fields, method="POST") + body


def sized(path: str, body: bytes) -> bytes:
    return post(path, f"content-length: {len(body)}", body=body)


def chunked(path: str, *chunks: bytes, trailers: bytes = b"") -> bytes:
    wire = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return post(path, "transfer-encoding: chunked", body=wire + b"0\r\n" + trailers + b"\r\n")


def statuses(sent: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d+) [^\r]*\r\n", sent)]


def body_of(sent: bytes) -> bytes:
    return sent.split(b"\r\n\r\n", 1)[1]


# -- one request ----------------------------------------------------------------------------------


def test_a_response_is_framed_dated_and_keeps_the_connection():
    wire = open_wire()
    wire.receive(get())
    assert wire.take() == (
        b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        b"content-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\r\nok"
    )
    assert wire.closing is Closing.NO


@pytest.mark.parametrize(
    "request_bytes",
    [sized("/echo", b"hello"), chunked("/echo", b"he", b"llo"), chunked("/echo", b"hello")],
)
def test_a_body_reaches_the_handler_however_it_is_framed(request_bytes):
    wire = open_wire()
    wire.receive(request_bytes)
    assert body_of(wire.take()) == b"hello"


def test_trailers_reach_the_handler():
    wire = open_wire()
    wire.receive(chunked("/trailers", b"a", trailers=b"X: y\r\n"))
    assert body_of(wire.take()) == b"y"


def test_one_empty_line_before_a_request_is_ignored_and_a_second_is_not():
    wire = open_wire()
    wire.receive(b"\r\n" + get() + b"\r\n" + get())
    assert statuses(wire.take()) == [200, 200]
    wire.receive(b"\r\n\r\n" + get())
    assert statuses(wire.take()) == [400]


def test_head_gets_the_head_of_get():
    wire = open_wire()
    wire.receive(get(method="HEAD") + get())
    head, second = wire.take().split(b"\r\n\r\n", 1)
    assert b"content-length: 2" in head
    assert second.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_sends_none(status):
    wire = open_wire()
    wire.receive(get(f"/status/{status}") + get())
    first, second = wire.take().split(b"\r\n\r\n", 1)
    assert b"transfer-encoding" not in first
    assert second.startswith(b"HTTP/1.1 200 OK")


# -- framing errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nhost: a\n\n", 400),
        (get("/", "content-length: 1", "transfer-encoding: chunked"), 400),
        (get("/", "content-length: 1", "content-length: 1"), 400),
        (get(version="1.2"), 505),
        (get("/" + "x" * 9000), 414),
        (get("/", *["x: y"] * 100), 431),
        (get("/", "x: " + "y" * 9000), 431),
        (post("/echo", "content-length: 101"), 413),
        (post("/echo", "transfer-encoding: gzip, chunked"), 501),
        (post("/echo", "transfer-encoding: gzip"), 400),
        (post("/echo", "expect: tea"), 417),
        (post("/echo", "transfer-encoding: chunked", body=b"5 \r\nhello"), 400),
        (chunked("/echo", b"x" * 101), 413),
        (chunked("/echo", b"x", trailers=b"host: b\r\n"), 400),
    ],
)
def test_a_violation_is_answered_once_and_ends_the_connection_lingering(data, status):
    wire = open_wire()
    wire.receive(data + get())
    sent = wire.take()
    assert statuses(sent) == [status]
    assert b"connection: close" in sent
    assert wire.eof_sent
    assert not wire.closed
    wire.receive(get())
    assert wire.take() == b""
    wire.eof()
    assert wire.closed


def test_a_drain_answers_a_first_request_that_was_on_its_way():
    wire = Lockstep(make_app())
    quiet, used = wire.open(), wire.open()
    used.receive(get())
    wire.world.server.shutdown()
    wire.receive(get())
    assert wire.sent.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in wire.sent
    assert wire.eof_sent
    seen = []
    for seconds in (0.499, 0.001, 0.499, 0.001):
        quiet.advance(seconds)
        seen.append((used.closed, quiet.closed))
    # The one that has asked may be asking one thing after the other.
    assert seen == [(False, False), (True, False), (True, False), (True, True)]


def test_a_drain_answers_a_next_request_that_was_on_its_way():
    wire = Lockstep(make_app())
    busy, idle = wire.open(), wire.open()
    idle.receive(get())
    wire.advance(0.5)
    busy.receive(get())
    busy.take()
    wire.world.server.shutdown()
    assert idle.closed
    busy.advance(0.499)
    busy.receive(get())
    assert busy.sent.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in busy.sent
    assert busy.eof_sent


def test_a_drain_answers_the_next_request_of_a_proxy_that_was_on_its_way():
    wire = Lockstep(make_app(), ServerConfig(proxy_headers=True))
    quiet, gone = wire.open(), wire.open()
    for each in (wire, quiet, gone):
        each.receive(get())
        assert statuses(each.take()) == [200]
    gone.eof()
    wire.world.server.shutdown()
    assert gone.closed and not wire.closed
    wire.receive(get())
    answer = wire.take()
    assert statuses(answer) == [200] and b"connection: close" in answer
    assert wire.eof_sent
    quiet.advance(0.999)
    assert not quiet.closed
    quiet.advance(0.001)
    assert quiet.closed


def test_requests_before_a_violation_are_answered_first():
    wire = open_wire()
    wire.receive(get() + sized("/echo", b"hi") + b"nonsense\r\n\r\n")
    assert statuses(wire.take()) == [200, 200, 400]


def test_a_body_that_breaks_while_the_handler_streams_ends_its_response_unfinished():
    wire = open_wire()
    wire.receive(post("/answer-then-read", "transfer-encoding: chunked", body=b"1\r\na\r\n"))
    assert b"chunked" in wire.sent
    wire.receive(b"nonsense\r\n")
    assert not wire.sent.endswith(b"0\r\n\r\n")
    assert statuses(wire.sent) == [200]
    assert wire.eof_sent


def test_after_an_answer_input_is_discarded_up_to_its_bound():
    wire = open_wire()
    wire.receive(b"nonsense\r\n\r\n")
    wire.receive(b"x" * 1000)
    assert not wire.closed
    wire.receive(b"x")
    assert wire.closed


def test_a_refused_upload_waits_for_the_answer_instead_of_being_reset():
    wire = open_wire()
    wire.receive(post("/slow", "transfer-encoding: chunked", body=b"nonsense\r\n"))
    wire.receive(b"x" * 5000)
    assert wire.closing is Closing.NO
    wire.receive(b"x" * 500)
    wire.advance(10)
    assert statuses(wire.take()) == [200]
    assert wire.eof_sent


# -- pipelining -----------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order():
    wire = open_wire()
    wire.receive(sized("/echo", b"1") + get("/slow") + sized("/echo", b"2") + get())
    assert statuses(wire.take()) == [200]
    wire.advance(10)
    bodies = [part.split(b"\r\n\r\n", 1)[1] for part in wire.take().split(b"HTTP/1.1 ")[1:]]
    assert bodies == [b"slow", b"2", b"ok"]


def test_many_pipelined_requests_do_not_starve_or_stop():
    wire = open_wire()
    wire.receive(get() * 100)
    assert statuses(wire.take()) == [200] * 100


def test_pipelined_input_over_its_bound_stays_in_the_kernel():
    connection = new_connection()
    connection.receive_data(get("/slow") + b"x" * 199, 0)
    assert connection.wants_read
    connection.receive_data(b"x", 0)
    assert not connection.wants_read


def test_a_reader_that_was_parked_by_a_pipeline_goes_on_behind_it():
    wire = open_wire()
    wire.receive(get("/slow") + get("/") * 10)
    assert not wire._driver.reading
    wire.advance(10)
    assert statuses(wire.take()) == [200] * 11
    wire.receive(get("/"))
    assert statuses(wire.take()) == [200]


# -- 100-continue ---------------------------------------------------------------------------------


def test_100_continue_is_sent_when_the_handler_reads():
    wire = open_wire()
    wire.receive(post("/late-read", "content-length: 2", "expect: 100-continue"))
    assert wire.take() == b""
    wire.advance(10)
    assert wire.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.receive(b"hi")
    assert body_of(wire.take()) == b"hi"


def test_no_100_continue_when_body_bytes_came():
    wire = open_wire()
    wire.receive(post("/echo", "content-length: 2", "expect: 100-continue", body=b"h"))
    wire.receive(b"i")
    assert statuses(wire.take()) == [200]


def test_no_100_continue_for_a_handler_that_does_not_read_and_the_connection_ends():
    wire = open_wire()
    wire.receive(post("/unread", "content-length: 2", "expect: 100-continue"))
    sent = wire.take()
    assert statuses(sent) == [200]
    assert b"connection: close" in sent
    assert wire.eof_sent


def test_no_100_continue_after_the_response_has_started_and_the_wait_is_bounded():
    wire = open_wire()
    wire.receive(post("/answer-then-read", "content-length: 2", "expect: 100-continue"))
    assert statuses(wire.take()) == [200]
    wire.advance(2)
    assert wire.eof_sent


# -- unread bodies --------------------------------------------------------------------------------


def test_an_unread_body_within_the_bound_is_dropped_and_the_connection_kept():
    wire = open_wire()
    wire.receive(post("/unread", "content-length: 20", body=b"x" * 5))
    wire.receive(b"x" * 15 + get())
    assert statuses(wire.take()) == [200, 200]


def test_an_unread_body_over_the_bound_closes_the_connection():
    wire = open_wire()
    wire.receive(post("/unread", "content-length: 26", body=b"x" * 5))
    assert b"connection: close" in wire.take()
    assert wire.eof_sent


def test_an_unread_chunked_body_is_dropped_up_to_the_bound():
    wire = open_wire()
    wire.receive(post("/unread", "transfer-encoding: chunked"))
    assert b"connection: close" not in wire.take()
    wire.receive(b"2\r\nab\r\n" * 2)
    assert wire.closing is Closing.NO
    wire.receive(b"2\r\nab\r\n")
    assert wire.eof_sent


def test_a_broken_body_that_nobody_reads_closes_the_connection():
    wire = open_wire()
    wire.receive(post("/unread", "transfer-encoding: chunked"))
    wire.receive(b"nonsense\r\n")
    assert statuses(wire.take()) == [200]
    assert wire.eof_sent


@pytest.mark.parametrize("express", [True, False])
def test_a_transport_that_was_armed_for_the_handler_hears_of_the_shorter_deadline_behind_it(
    express,
):
    connection = new_connection(replace(CONFIG, express=express))
    connection.receive_data(get("/"), 0)
    exchange = connection.next_exchange()
    assert connection.next_deadline() == CONFIG.request_timeout
    exchange.conclude(200, (), b"", 5)
    assert connection.deadline_bound <= connection.next_deadline() == 5 + TIMEOUTS.keep_alive


# -- backpressure ---------------------------------------------------------------------------------


def test_a_body_nobody_reads_yet_pauses_reading_over_the_high_mark():
    connection = new_connection()
    connection.receive_data(post("/", "content-length: 90", body=b"x" * 20), 0)
    exchange = connection.next_exchange()
    assert exchange is not None
    connection.receive_data(b"x" * 20, 0)
    assert connection.wants_read
    connection.receive_data(b"x" * 20, 0)
    assert not connection.wants_read
    # BODY does not run while we do not read; only the handler's deadline does.
    assert connection.next_deadline() == CONFIG.request_timeout
    exchange.read(5)
    assert not connection.wants_read
    exchange.read(5)
    assert not connection.wants_read
    exchange.read(5)
    assert connection.wants_read
    assert connection.next_deadline() == 5 + TIMEOUTS.body


@pytest.mark.lanes
def test_the_reader_is_parked_on_a_connection_that_was_idle_too():
    """What a driver need not look at between two requests has changed."""
    wire = open_wire()
    wire.receive(get("/"))
    assert wire._driver.connection.idle
    wire.receive(post("/late-read", "content-length: 90", body=b"x" * 60))
    assert not wire._driver.reading
    wire.receive(b"x" * 30)
    wire.advance(10)
    assert wire._driver.reading
    assert wire.take().endswith(b"x" * 90)


def test_congestion_follows_what_the_kernel_has_not_taken():
    connection = new_connection()
    connection.send(b"x" * 1000)
    assert not connection.congested
    connection.send(b"x")
    assert connection.congested
    connection.data_to_send()
    assert connection.congested
    connection.data_unsent(1000, 0)
    assert not connection.congested
    assert not connection.caught_up
    connection.data_unsent(100, 0)
    assert connection.caught_up


# -- the end of a connection ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "field", "kept"),
    [
        ("1.1", "x: y", True),
        ("1.1", "connection: close", False),
        ("1.0", "x: y", False),
        ("1.0", "connection: keep-alive", True),
    ],
)
def test_who_keeps_the_connection(version, field, kept):
    wire = open_wire()
    wire.receive(get("/", field, version=version))
    assert (b"connection: close" in wire.take()) is not kept
    assert wire.eof_sent is not kept


def test_http_1_0_without_a_length_is_delimited_by_the_close():
    wire = open_wire()
    wire.receive(get("/stream", "connection: keep-alive", version="1.0"))
    wire.advance(5)
    assert body_of(wire.take()) == b"abc"
    assert wire.eof_sent
    assert not wire.closed


def test_a_close_delimited_body_that_fails_is_reset():
    wire = open_wire()
    wire.receive(get("/fails-late", version="1.0"))
    assert wire.closing is Closing.ABORT


@pytest.mark.parametrize(
    ("path", "ends"), [("/short", b"abc"), ("/long", b"ab"), ("/fails-late", b"2\r\nab\r\n")]
)
def test_a_response_that_fails_half_way_stays_unfinished_and_closes(path, ends):
    wire = open_wire()
    wire.receive(get(path) + get())
    sent = wire.take()
    assert statuses(sent) == [200]
    assert sent.endswith(ends)
    assert wire.eof_sent


def test_a_split_response_is_a_500():
    wire = open_wire()
    wire.receive(get("/split"))
    sent = wire.take()
    assert statuses(sent) == [500]
    assert b"set-cookie" not in sent


# -- end of input is not disconnection ------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\r\n", []),
        (get(), [200]),
        (get() + get(), [200, 200]),
        (get("/slow"), [200]),
        (get("/slow") + get(), [200, 200]),
        (get("/slow") + get("/slow") + get(), [200, 200, 200]),
        (b"GET / HT", [400]),
        (get() + b"GET / HT", [200, 400]),
        (get("/slow") + b"GET / HT", [200, 400]),
        (post("/echo", "content-length: 5", body=b"he"), [400]),
        (get("/slow") + post("/echo", "content-length: 5", body=b"he"), [200, 400]),
        (get("/slow") + sized("/echo", b"hi"), [200, 200]),
        (post("/unread", "content-length: 5", body=b"he"), [200]),
        (post("/slow", "content-length: 5", body=b"he"), [200]),
        (b"nonsense\r\n\r\n", [400]),
    ],
)
def test_what_came_before_the_end_of_input_is_answered_then_closed(data, expected):
    wire = open_wire()
    wire.receive(data)
    wire.eof()
    for _ in expected:
        wire.advance(10)
    assert statuses(wire.take()) == expected
    assert wire.closed
    assert wire._driver.connection.next_deadline() is None


def test_a_stream_that_has_started_takes_the_end_of_input_for_the_client_being_gone():
    wire = open_wire()
    wire.receive(get("/stream"))
    wire.eof()
    assert wire.closed
    assert wire.take().endswith(b"2\r\nab\r\n")


@pytest.mark.parametrize(
    "data", [b"", b"GET", get("/slow"), get("/stream"), sized("/unread", b"x")[:-1]]
)
def test_a_reset_ends_everything_at_once(data):
    wire = open_wire()
    wire.receive(data)
    wire.lose()
    assert wire.closed
    assert wire._driver.connection.next_deadline() is None


# -- deadlines: exactly at their time and not a moment before -------------------------------------


def test_an_idle_connection_closes_after_keep_alive():
    wire = open_wire()
    wire.advance(3 - BEFORE)
    assert not wire.closed
    wire.advance(BEFORE)
    assert wire.closed
    assert wire.sent == b""


def test_between_two_requests_too():
    wire = open_wire()
    wire.advance(2)
    wire.receive(get())
    wire.advance(3 - BEFORE)
    assert not wire.closed
    wire.advance(BEFORE)
    assert wire.closed


def test_a_head_that_drips_is_cut_off():
    wire = open_wire()
    wire.receive(b"G")
    for byte in get()[1:4]:
        wire.advance(0.25)
        wire.receive(bytes([byte]))
    wire.advance(0.25 - BEFORE)
    assert wire.sent == b""
    wire.advance(2 * BEFORE)
    assert statuses(wire.sent) == [408]
    assert wire.eof_sent


def test_a_body_that_stops_is_cut_off_and_each_piece_renews():
    wire = open_wire()
    wire.receive(post("/echo", "content-length: 3"))
    wire.advance(1.5)
    wire.receive(b"a")
    wire.advance(2 - BEFORE)
    assert wire.sent == b""
    wire.advance(BEFORE)
    assert statuses(wire.sent) == [408]
    assert wire.eof_sent


def test_a_body_that_is_dropped_has_the_same_deadline():
    wire = open_wire()
    wire.receive(post("/unread", "content-length: 3"))
    wire.advance(2 - BEFORE)
    assert not wire.eof_sent
    wire.advance(BEFORE)
    assert wire.eof_sent


def test_a_handler_has_its_deadline_until_its_response_starts():
    wire = open_wire()
    wire.receive(get("/never"))
    wire.advance(20 - BEFORE)
    assert wire.sent == b""
    wire.advance(BEFORE)
    assert statuses(wire.sent) == [503]
    assert wire.eof_sent


def test_a_handler_that_swallows_its_cancellation_is_answered_for_after_a_grace():
    app = App()
    seen: list[str] = []

    @app.get("/")
    async def stubborn(ctx):
        try:
            await ctx.sleep(1000)
        except Cancelled:
            seen.append("cancelled")
        while True:  # It awaits something that our scope cannot interrupt.
            ctx.link.latched = False
            await PARK

    wire = Lockstep(app, CONFIG)
    wire.receive(get())
    wire.advance(20)
    assert seen == ["cancelled"]
    wire.advance(7 - BEFORE)
    assert wire.sent == b""
    wire.advance(BEFORE)
    assert statuses(wire.sent) == [503]
    assert wire.eof_sent


def stalled_wire(*, closing: bool = False, after: float = 0) -> Any:
    """A client that reads nothing of an answer. closing: it closes its side, and so does the
    answer. after: seconds until there is one."""
    app = App()

    @app.get("/")
    async def big(ctx):
        if after:
            await ctx.sleep(after)
        if closing:
            ctx.response.close_connection()
        return b"x" * 5000

    wire = Lockstep(app, CONFIG)
    wire.stall()
    wire.receive(get())
    if closing:
        wire.eof()
    return wire


def test_a_reader_that_stalls_is_cut_off():
    wire = stalled_wire()
    wire.advance(4 - BEFORE)
    assert not wire.closed
    wire.advance(BEFORE)
    assert wire.closing is Closing.ABORT
    assert wire.closed


def test_a_reader_that_is_slow_lives():
    wire = stalled_wire()
    for _ in range(10):
        wire.advance(4 - BEFORE)
        wire.resume(10)
    assert wire.closing is Closing.NO
    wire.advance(4)
    assert wire.closed


def test_stalling_counts_after_the_close_too():
    wire = stalled_wire(closing=True)
    wire.advance(4 - BEFORE)
    assert not wire.closed
    wire.advance(BEFORE)
    assert wire.closed


@pytest.mark.parametrize("after", [0, 1])
def test_the_drain_ends_a_reader_that_is_only_slow(after):
    """The drain has its deadline even if only bytes are left that the client has not taken."""
    wire = stalled_wire(closing=True, after=after)
    wire.world.server.shutdown()
    for _ in range(8):
        wire.advance(1)
        wire.resume(10)
    wire.advance(1 - BEFORE)
    assert not wire.closed
    wire.advance(BEFORE)
    assert wire.closed and wire.reset_sent


def test_lingering_ends_at_its_deadline_which_the_reading_of_the_answer_renews():
    wire = open_wire()
    wire.stall()
    wire.receive(b"nonsense\r\n\r\n")
    wire.advance(3)
    wire.resume()
    wire.advance(8 - BEFORE)
    assert not wire.closed
    wire.advance(BEFORE)
    assert wire.closed


def test_what_runs_is_aborted_when_draining_takes_too_long():
    wire = open_wire()
    wire.receive(get("/never"))
    wire.world.server.shutdown()
    wire.advance(9 - BEFORE)
    assert not wire.closed
    wire.advance(BEFORE)
    assert wire.closed
    assert wire.world.server.over


# -- shutdown -------------------------------------------------------------------------------------


def test_shutdown_closes_an_idle_connection_at_once():
    wire = open_wire()
    wire.receive(get())
    wire.advance(0.5)
    wire.world.server.shutdown()
    assert wire.closed


def test_shutdown_closes_behind_an_answer_that_was_still_on_its_way():
    """What is sent between the shutdown and its deadline must not begin the idle time anew."""
    connection = new_connection()
    connection.receive_data(get(), 0)
    exchange = connection.next_exchange()
    exchange.conclude(200, (), b"whole", 0)
    connection.data_to_send()
    connection.data_unsent(3, 0)
    connection.shutdown(1)
    connection.data_unsent(0, 1)
    connection.handle_timeout(1)
    assert connection.closing is Closing.CLOSE


def test_shutdown_lets_the_running_request_finish_and_says_close():
    wire = open_wire()
    wire.receive(get("/slow", "x: y")[:-2])
    wire.receive(b"\r\n" + get())
    wire.advance(5)
    wire.world.server.shutdown()
    wire.advance(5)
    sent = wire.take()
    assert statuses(sent) == [200]
    assert b"connection: close" in sent
    assert wire.eof_sent


def test_shutdown_in_the_middle_of_a_head_lingers():
    wire = open_wire()
    wire.receive(get() + b"GET / HT")
    wire.world.server.shutdown()
    assert wire.eof_sent
    assert not wire.closed
    assert statuses(wire.take()) == [200]


def test_shutdown_while_an_unread_body_is_dropped_lingers_at_its_end():
    wire = open_wire()
    wire.receive(post("/unread", "content-length: 3"))
    wire.world.server.shutdown()
    wire.receive(b"abc" + get())
    assert statuses(wire.take()) == [200]
    assert wire.eof_sent


def test_an_abort_interrupts_a_handler_that_has_not_begun_too():
    connection = new_connection()
    connection.receive_data(get(), 0)
    connection.abort()
    exchange = connection.next_exchange()
    assert exchange is not None
    calls: list[str] = []
    exchange.begin(lambda: calls.append("interrupted"))
    assert calls == ["interrupted"]


# -- the end of a connection ----------------------------------------------------------------------


def ended(sent: bytes) -> Closing:
    connection: Connection = new_connection()
    connection.receive_data(sent, 0)
    exchange = connection.next_exchange()
    assert exchange is not None
    exchange.respond(200, [], b"ab")
    exchange.finish(1)
    assert b"connection: close" in b"".join(connection.data_to_send())
    return connection.closing


def test_a_client_that_said_close_is_not_lingered_for():
    assert ended(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") is Closing.CLOSE
    assert ended(post("/", "connection: close, x", "content-length: 2") + b"ab") is Closing.CLOSE


def test_what_comes_behind_a_last_request_cannot_destroy_its_answer():
    one = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert ended(one + one) is Closing.SEND_EOF
    assert ended(one + b"\0") is Closing.SEND_EOF
    assert ended(post("/", "connection: close", "content-length: 99999")) is Closing.SEND_EOF
    for unread in (b"", b"half"):
        asked = post("/", "connection: close", "content-length: 9", body=unread)
        assert ended(asked) is Closing.SEND_EOF
    # A client that did not say so may send more at any time.
    assert ended(b"GET / HTTP/1.0\r\n\r\n") is Closing.SEND_EOF


# -- calls that come late are harmless ------------------------------------------------------------


def new_connection(config: ServerConfig = CONFIG) -> Any:
    return Connection(config, now=0, date=lambda: b"now", token=bytes)


@pytest.mark.parametrize("express", [True, False])
def test_what_a_handler_did_not_read_is_gone_with_it(express):
    connection = new_connection(replace(CONFIG, express=express))
    connection.receive_data(sized("/", b"hello"), 0)
    exchange = connection.next_exchange()
    exchange.conclude(200, (), b"whole", 0)
    assert (exchange.buffered, exchange.status, exchange.sent) == (0, 200, 5)
    with pytest.raises(UsageError, match="the handler has ended"):
        exchange.read(0)


def test_deadlines_that_passed_long_ago_do_not_revive_a_connection():
    connection = new_connection()
    connection.receive_data(b"GET", 0)
    connection.draining = True
    connection.timers.set(Timer.DRAIN, 0.5)
    connection.handle_timeout(100)
    assert connection.closing is Closing.ABORT
    assert connection.next_exchange() is None
    assert connection.next_deadline() is None


def test_after_the_loss_every_call_is_harmless():
    connection = new_connection()
    connection.receive_data(post("/", "content-length: 5"), 0)
    exchange = connection.next_exchange()
    assert exchange is not None
    exchange.begin(lambda: None)
    connection.connection_lost(None)
    exchange.send_head(200, [], 2)
    exchange.send_data(b"ab")
    exchange.send_end()
    exchange.finish(1)
    connection.data_unsent(5, 1)
    connection.receive_data(b"x", 1)
    connection.receive_eof(1)
    connection.shutdown(1)
    connection.handle_timeout(99)
    connection.connection_lost(None)
    assert connection.data_to_send() == []
    assert connection.next_deadline() is None
    with pytest.raises(Disconnected):
        exchange.check()


# -- the cut does not matter ----------------------------------------------------------------------

SCRIPTS: dict[str, bytes] = {
    "pipeline": get() + sized("/echo", b"hello") + chunked("/echo", b"he", b"llo") + get("/teapot"),
    "empty lines": b"\r\n" + get() + b"\r\n" + get(),
    "1.0": get("/", "connection: keep-alive", version="1.0") + get(version="1.0"),
    "unread": sized("/unread", b"x" * 10) + chunked("/unread", b"x" * 10) + get(),
    "head": get(method="HEAD") + get("/status/204") + get("/status/304") + get(),
    "bare LF": get() + b"GET / HTTP/1.1\r\nhost: a\n\r\n\r\n",
    "obs-fold": get("/", "x: y", " z"),
    "conflict": get("/", "content-length: 1", "transfer-encoding: chunked"),
    "trick": post("/echo", "transfer-encoding: chunked", body=b"5 \r\nhello\r\n0\r\n\r\n"),
    "long chunk": post("/echo", "transfer-encoding: chunked", body=b"2\r\nhello\n\r\n"),
    "trailer": chunked("/trailers", b"a", trailers=b"X: y\r\n") + get(),
    "bad trailer": chunked("/trailers", b"a", trailers=b"host: y\r\n") + get(),
    "505": get(version="3.0") + get(),
    "long target": get("/" + "x" * 300),
    "not found": get("/nowhere") + get("/", method="DELETE") + get("/", method="OPTIONS"),
}


def play(pieces: Iterable[bytes], config: ServerConfig = CONFIG) -> tuple[bytes, Closing, bool]:
    wire = open_wire(config)
    for piece in pieces:
        wire.receive(piece)
    before = (wire.take(), wire.closing, wire.eof_sent)
    wire.eof()
    return before


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_conversation_cut_at_every_byte_is_answered_alike(name):
    small = ServerConfig(
        limits=Limits(target=100, header_section=500, body=100, drain_body=20), timeouts=TIMEOUTS
    )
    data = SCRIPTS[name]
    whole = play([data], small)
    assert play([data[i : i + 1] for i in range(len(data))], small) == whole
    for cut in range(1, len(data)):
        assert play([data[:cut], data[cut:]], small) == whole, data[:cut]


REQUESTS = st.sampled_from(
    [
        get(),
        get("/teapot"),
        b"\r\n" + get(),
        get(method="HEAD"),
        sized("/echo", b"hello"),
        chunked("/echo", b"he", b"llo"),
        sized("/unread", b"x" * 10),
        chunked("/trailers", b"a", trailers=b"X: y\r\n"),
        get("/status/204"),
    ]
)


@settings(deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=6), st.data())
def test_a_valid_pipeline_cut_anywhere_is_answered_alike(requests, data):
    stream = b"".join(requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = play([stream])
    assert play(pieces) == whole
    assert len(statuses(whole[0])) == len(requests)


FRAGMENTS = st.sampled_from(
    [
        b"\r\n",
        b"\r",
        b"\n",
        b"\x00",
        b":",
        b"GET ",
        b"/ ",
        b"HTTP/1.1",
        b"host: a",
        b"0\r\n\r\n",
        b"5\r\nhello",
        b"content-length: 5",
        b"transfer-encoding: chunked",
        b"POST /echo HTTP/1.1\r\n",
        get(),
        get("/slow"),
        get("/stream"),
        post("/echo", "transfer-encoding: chunked"),
        post("/late-read", "expect: 100-continue", "content-length: 5"),
        post("/unread", "content-length: 19"),
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("receive"), st.binary(max_size=30)),
    st.tuples(st.just("receive"), FRAGMENTS),
    st.tuples(st.just("receive"), FRAGMENTS),
    st.tuples(st.just("advance"), st.sampled_from([0.5, 1.0, 3.0, 20.0])),
    st.tuples(st.just("stall"), st.none()),
    st.tuples(st.just("resume"), st.sampled_from([1, 100, None])),
    st.tuples(st.just("eof"), st.none()),
    st.tuples(st.just("shutdown"), st.none()),
    st.tuples(st.just("lose"), st.none()),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_whatever_happens_nothing_raises_and_each_request_has_one_answer(steps):
    wire = open_wire()
    for what, argument in steps:
        match what:
            case "shutdown":
                wire.world.server.shutdown()
            case "stall" | "eof" | "lose":
                getattr(wire, what)()
            case _:
                getattr(wire, what)(argument)
    wire.resume()
    wire.advance(1000)
    assert wire.closed
    assert wire._driver.connection.next_deadline() is None
    sent = wire.take()
    finals = [status for status in statuses(sent) if status != 100]
    fed = b"".join(argument for what, argument in steps if what == "receive")
    assert len(finals) <= fed.count(b"\r\n") + 1
    assert [record for record in wire.log if record.level == "error"] == []


# -- cost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64 * 1024, 256 * 1024])
def test_a_large_body_is_passed_on_in_the_pieces_it_came_in(size):
    connection = Connection(
        ServerConfig(limits=Limits(inbound_high=1 << 21)), now=0, date=lambda: b"", token=bytes
    )
    total = 1 << 20
    connection.receive_data(post("/", f"content-length: {total}"), 0)
    exchange = connection.next_exchange()
    assert exchange is not None
    for _ in range(total // size):
        connection.receive_data(b"x" * size, 0)
    pieces = []
    while piece := exchange.read(0):
        pieces.append(len(piece))
    assert pieces == [size] * (total // size)
