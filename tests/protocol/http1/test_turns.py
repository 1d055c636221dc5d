"""What one read holds of a body is decoded a few chunks at a time, and others come between."""

from __future__ import annotations

import re
from typing import Any

import pytest

from anylane import App, Context, HTTPError, Limits, ServerConfig, Timeouts
from anylane.protocol import Closing
from anylane.testing import Lockstep, World

POST = b"POST /%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNK = b"2\r\nab\r\n"
ODD = b"2;x=y\r\nab\r\n"
END = b"0\r\n\r\n"


class Server:
    """One whose handlers read, or do not."""

    def __init__(self, *, express: bool = True, **settings: Any) -> None:
        self.seen: list[object] = []
        app = App()

        @app.get("/")
        async def home(ctx: Context) -> str:
            return "home"

        @app.post("/read")
        async def read(ctx: Context) -> str:
            try:
                return f"{len(await ctx.request.body())} bytes"
            except HTTPError as exc:
                self.seen.append(exc.status)
                raise

        @app.post("/late")
        async def late(ctx: Context) -> str:
            await ctx.sleep(10)
            return f"{len(await ctx.request.body())} bytes"

        @app.post("/unread")
        async def unread(ctx: Context) -> str:
            return "unread"

        limits = Limits(**{"pieces_per_turn": 4, "drain_body": 5000, **settings})
        timeouts = Timeouts(body=3, keep_alive=30)
        config = ServerConfig(express=express, limits=limits, timeouts=timeouts)
        self.world = World(app, config)
        self.wire = Lockstep(world=self.world)

    def statuses(self) -> list[bytes]:
        return re.findall(rb"HTTP/1\.1 (\d+) ", self.wire.take())


@pytest.fixture(params=[True, False], ids=["express", "authorities"])
def express(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("path", [b"read", b"unread"])
@pytest.mark.parametrize("chunk", [CHUNK, ODD], ids=["plain", "odd"])
def test_others_have_their_turn_within_one_read(express: bool, path: bytes, chunk: bytes) -> None:
    """The neighbour's request came later, and is answered before the body is at its end."""
    server = Server(express=express)
    flood, neighbour = server.wire, server.wire.open()
    flood._driver.put(POST % path + chunk * 200 + END + GET)
    neighbour._driver.put(GET)
    rounds = 0
    while not b"".join(neighbour._driver.sent):
        assert server.world.turn()
        rounds += 1
    assert b"home" not in b"".join(flood._driver.sent)
    server.world.run()
    assert server.statuses() == [b"200", b"200"]
    assert rounds < 20


def test_nothing_overtakes_the_rest_of_a_body(express: bool) -> None:
    server = Server(express=express)
    driver = server.wire._driver
    driver.put(POST % b"read" + CHUNK * 20)
    server.world.turn()
    assert not driver.reading
    driver.receive(CHUNK + END + GET)  # The transport had it in its hands.
    server.wire.eof()
    answers = server.wire.sent
    assert b"42 bytes" in answers
    assert answers.index(b"42 bytes") < answers.index(b"home")
    assert server.wire.closed


def test_a_body_that_is_cut_short_is_so_behind_its_rest(express: bool) -> None:
    server = Server(express=express)
    server.wire._driver.put(POST % b"read" + CHUNK * 20)
    server.wire.eof()
    assert server.seen == [400]
    assert server.statuses() == [b"400"]
    assert server.wire.closed


def test_no_deadline_runs_while_a_rest_is_held(express: bool) -> None:
    server = Server(express=express, inbound_high=20, inbound_low=10)
    server.wire.receive(POST % b"late" + CHUNK * 20)
    server.wire.advance(9)  # More than the deadline of a body.
    assert server.wire.closing is Closing.NO
    server.wire.advance(1)
    server.wire.advance(2.9)
    server.wire.receive(END)
    assert b"40 bytes" in server.wire.sent


def test_the_deadline_of_a_body_runs_from_its_rest_on(express: bool) -> None:
    server = Server(express=express)
    server.wire.receive(POST % b"read" + CHUNK * 20)
    server.wire.advance(2.9)
    assert server.statuses() == []
    server.wire.advance(0.2)
    assert server.statuses() == [b"408"]


def test_a_rest_that_nobody_reads_any_more_is_dropped(express: bool) -> None:
    """It was held for its reader, who has answered without it."""
    server = Server(express=express, inbound_high=20, inbound_low=10)
    server.wire.receive(POST % b"unread" + CHUNK * 20 + END + GET)
    assert server.statuses() == [b"200", b"200"]
    assert server.wire.closing is Closing.NO


def test_one_that_is_too_large_to_drop_ends_the_connection(express: bool) -> None:
    server = Server(express=express, drain_body=100)
    server.wire.receive(POST % b"unread" + CHUNK * 40 + END + GET)
    assert server.statuses() == [b"200"]
    assert server.wire.closing is Closing.SEND_EOF
    server.wire.eof()
    assert server.wire.closed


@pytest.mark.parametrize("how", [Lockstep.lose, lambda wire: wire.world.server.abort()])
def test_a_lost_connection_drops_its_rest(express: bool, how: Any) -> None:
    server = Server(express=express, inbound_high=20, inbound_low=10)
    server.wire.receive(POST % b"late" + CHUNK * 20)
    how(server.wire)
    server.wire.advance(100)
    assert server.world.drivers == []
