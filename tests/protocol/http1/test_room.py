"""Requests that wait for room: while output is congested, none is begun and nothing is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anylane import App, Limits, ServerConfig, Timeouts
from anylane.protocol import Closing
from anylane.testing import Lockstep

HIGH = 1000
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
BIG = "x" * 5000


def connect(express: bool = True, **timeouts: float) -> tuple[Lockstep, list[str]]:
    """A connection whose client reads nothing, and what was begun."""
    app = App()
    begun: list[str] = []

    @app.get("/")
    async def whole(ctx):
        begun.append("whole")
        return BIG

    @app.get("/stream")
    async def stream(ctx):
        begun.append("stream")
        async with ctx.stream() as out:
            for _ in range(5):
                await out.write(BIG)

    @app.post("/stream")
    async def mirror(ctx):
        begun.append("mirror")
        async with ctx.stream() as out:
            await out.write(BIG)
            pieces = aiter(ctx.request.stream())
            while piece := await anext(pieces, b""):
                begun.append(f"piece of {len(piece)}")

    config = ServerConfig(
        express=express,
        limits=Limits(outbound_high=HIGH, outbound_low=HIGH // 2, pipeline=200),
        timeouts=Timeouts(**timeouts),
    )
    wire = Lockstep(app, config)
    wire.stall()
    return wire, begun


@pytest.fixture(params=[True, False], ids=["express", "authorities"])
def express(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("path", [b"/", b"/stream"])
def test_the_next_request_of_one_read_waits_until_there_is_room(express: bool, path: bytes) -> None:
    wire, begun = connect(express)
    wire.receive(GET.replace(b"/ ", path + b" ") * 3)
    assert len(begun) == 1
    wire.resume(100)
    assert len(begun) == 1
    wire.resume()
    assert len(begun) == 3
    assert wire.take().count(b"HTTP/1.1 200 OK") == 3


def test_nothing_is_read_meanwhile(express: bool) -> None:
    wire, begun = connect(express)
    wire.receive(GET)
    for _ in range(9):
        wire.receive(GET)
    assert (len(begun), wire.unread) == (1, 9 * len(GET))
    wire.resume()
    assert (len(begun), wire.unread) == (10, 0)


def test_as_many_are_begun_as_fit(express: bool) -> None:
    wire, begun = connect(express)
    wire.receive(GET * 9)
    for count in range(1, 10):
        assert len(begun) == count
        wire.resume(5000)  # All but less than the mark.


def test_a_client_that_waits_for_its_answers_is_idle_once_it_has_them(express: bool) -> None:
    wire, begun = connect(express, keep_alive=2.0, write_stall=10.0)
    wire.receive(GET * 2)
    for _ in range(4):
        wire.advance(4)
        wire.resume(1000)  # Not at the mark.
        assert len(begun) == 1
    wire.resume(2000)
    assert len(begun) == 2
    assert wire.closing is Closing.NO
    wire.resume()
    wire.advance(1.9)
    assert wire.closing is Closing.NO
    wire.advance(0.2)
    assert wire.closed
    assert not wire.reset_sent


def test_one_that_never_reads_is_given_up_at_write_stall(express: bool) -> None:
    wire, begun = connect(express, keep_alive=2.0, write_stall=10.0)
    wire.receive(GET * 2)
    wire.advance(9.9)
    assert not wire.closed
    wire.advance(0.2)
    assert wire.reset_sent
    assert len(begun) == 1


def test_an_end_of_input_does_not_overtake_them(express: bool) -> None:
    wire, begun = connect(express)
    wire.receive(GET * 3)
    wire.eof()
    assert len(begun) == 1
    wire.resume()
    assert len(begun) == 3
    assert wire.sent.count(b"HTTP/1.1 200 OK") == 3
    assert wire.closed


@pytest.mark.parametrize("end", [Lockstep.lose, lambda wire: wire.world.server.abort()])
def test_a_lost_connection_begins_none(express: bool, end: Callable[[Lockstep], None]) -> None:
    wire, begun = connect(express)
    wire.receive(GET * 3)
    end(wire)
    assert wire.closed
    assert len(begun) == 1
    assert wire.world.drivers == []


def test_a_drain_sends_what_is_answered_and_begins_none(express: bool) -> None:
    wire, begun = connect(express)
    wire.receive(GET * 3)
    wire.world.server.shutdown()
    wire.resume()
    assert wire.sent.count(b"HTTP/1.1 200 OK") == 1
    assert wire.closing is Closing.SEND_EOF  # It lingers: requests may be on the way.
    wire.eof()
    assert wire.closed
    assert len(begun) == 1


def test_a_body_is_not_read_meanwhile_and_its_time_stands_still(express: bool) -> None:
    wire, begun = connect(express, body=5.0, write_stall=100.0)
    wire.receive(POST)
    wire.receive(b"x" * 60)
    assert (begun, wire.unread) == (["mirror"], 60)
    wire.advance(60)
    assert not wire.closing
    wire.resume()
    assert begun == ["mirror", "piece of 60"]
    wire.advance(4.9)
    assert not wire.closing
    wire.receive(b"x" * 40)
    assert begun == ["mirror", "piece of 60", "piece of 40"]
    wire.receive(GET)
    assert begun[-1] == "whole"


def test_a_body_has_its_whole_time_again_when_there_is_room(express: bool) -> None:
    wire, begun = connect(express, body=5.0, write_stall=100.0)
    wire.receive(POST)
    wire.advance(4.9)
    wire.resume()
    wire.advance(4.9)
    wire.receive(b"x" * 100)
    assert begun == ["mirror", "piece of 100"]
    assert wire.closing is Closing.NO


def test_an_unread_body_is_dropped_all_the_same(express: bool) -> None:
    """A client that sends first and reads later must not wait for ever."""
    wire, begun = connect(express)
    wire.receive(POST.replace(b"/stream", b"/"))  # 405, which is short
    wire.receive(b"x" * 100 + GET * 2)
    assert wire.unread == 0
    assert begun == ["whole"]
    wire.resume()
    assert begun == ["whole"] * 2
