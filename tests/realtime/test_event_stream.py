"""Event streams in virtual time: heartbeats, clients that leave, drains, and a client of them."""

from __future__ import annotations

from typing import Any

import pytest

from anylane import (
    App,
    Context,
    Disconnected,
    EventLog,
    Limits,
    ServerConfig,
    Timeouts,
    UsageError,
)
from anylane.lane.link import BURST
from anylane.testing import Lockstep, Silence, TestClient
from anylane.testing.world import World

GET = b"GET / HTTP/1.0\r\n\r\n"


def app_of(handler: Any) -> App:
    app = App()
    app.get("/")(handler)
    return app


def body_of(wire: Lockstep) -> bytes:
    return wire.take().partition(b"\r\n\r\n")[2]


# --- what a handler may ask for --------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heartbeat": 0}, "heartbeat is 0; expected seconds over 0"),
        ({"heartbeat": -1.5}, "heartbeat is -1.5"),
        ({"heartbeat": "15"}, "heartbeat is '15'"),
        ({"heartbeat": True}, "heartbeat is True"),
        ({"heartbeat": float("nan")}, "heartbeat is nan"),
        ({"retry": 1.5}, "retry is 1.5; expected whole milliseconds"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    seen: list[str] = []

    async def handler(ctx: Context) -> str:
        try:
            ctx.event_stream(**options)
        except UsageError as exc:
            seen.append(str(exc))
        return "answered all the same"

    assert TestClient(app_of(handler)).get("/").status == 200
    assert len(seen) == 1
    assert message in seen[0]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda response: response.set_status(404), "clients take 200 only"),
        (lambda response: response.set_status(204), "204 ends their reconnecting"),
        (lambda response: response.set_header("content-length", "3"), "has no Content-Length"),
    ],
)
def test_a_response_that_is_no_event_stream_is_refused(prepare: Any, message: str) -> None:
    async def handler(ctx: Context) -> None:
        prepare(ctx.response)
        async with ctx.event_stream():
            pass

    response = TestClient(app_of(handler)).get("/")
    assert response.status == 500
    assert isinstance(response.error, UsageError)
    assert message in str(response.error)


def test_headers_of_the_handler_stay() -> None:
    async def handler(ctx: Context) -> None:
        ctx.response.set_header("cache-control", "no-store").set_cookie("a", "b")
        ctx.response.set_header("content-type", "text/plain")
        async with ctx.event_stream():
            pass

    headers = TestClient(app_of(handler)).get("/").headers
    assert headers.get_all("cache-control") == ["no-store"]
    assert headers.get_all("content-type") == ["text/event-stream"]
    assert headers.get("set-cookie") is not None


def test_events_are_sent_inside_of_the_block_only() -> None:
    async def handler(ctx: Context) -> None:
        events = ctx.event_stream()
        with pytest.raises(UsageError, match="inside of its `with` block"):
            await events.send("before")
        async with events:
            await events.send("inside")
        with pytest.raises(UsageError, match="inside of its `with` block"):
            await events.send("behind")

    assert TestClient(app_of(handler)).get("/").text == "data: inside\n\n"


@pytest.mark.parametrize("data", [b"a", bytearray(b"a"), memoryview(b"a")])
def test_bytes_are_no_data(data: Any) -> None:
    async def handler(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            with pytest.raises(UsageError, match="an event stream is text"):
                await events.send(data)

    assert TestClient(app_of(handler)).get("/").text == ""


# --- heartbeats ------------------------------------------------------------------------------


def test_a_heartbeat_is_counted_from_what_was_sent_last() -> None:
    async def handler(ctx: Context) -> None:
        async with ctx.event_stream(heartbeat=10) as events:
            await ctx.sleep(9)
            await events.comment("at 9")
            await ctx.sleep(9)
            await events.send("at 18")
            await ctx.sleep(100)

    wire = Lockstep(app_of(handler))
    wire.receive(GET)
    sent: list[tuple[float, bytes]] = []
    body_of(wire)
    for _ in range(4 * 48):
        wire.advance(0.25)
        if data := wire.take():
            sent.append((wire.world.now, data))
    assert sent == [
        (9.0, b": at 9\n\n"),
        (18.0, b"data: at 18\n\n"),
        (28.0, b":\n\n"),
        (38.0, b":\n\n"),
        (48.0, b":\n\n"),
    ]


def test_a_stream_without_events_for_a_year_lives_and_ends_with_its_client() -> None:
    ended: list[float] = []

    async def handler(ctx: Context) -> None:
        try:
            async with ctx.event_stream(heartbeat=3600):
                await ctx.sleep(10 * 365 * 86400)
        finally:
            ended.append(ctx.link.now())

    wire = Lockstep(app_of(handler))
    wire.receive(GET)
    body_of(wire)
    wire.advance(365 * 86400)
    assert wire.take() == b":\n\n" * 365 * 24
    assert ended == []
    wire.eof()
    assert ended == [365 * 86400]
    wire.advance(7200)
    assert wire.take() == b""
    assert wire.closed
    assert wire.log == []


def test_a_client_that_takes_nothing_is_gone_by_its_deadline() -> None:
    ended: list[float] = []

    async def handler(ctx: Context) -> None:
        try:
            async with ctx.event_stream(heartbeat=1) as events:
                await events.send("x")
                await ctx.sleep(1000)
        finally:
            ended.append(ctx.link.now())

    wire = Lockstep(app_of(handler), ServerConfig(timeouts=Timeouts(write_stall=5)))
    wire.stall()
    wire.receive(GET)
    wire.advance(100)
    assert ended == [5]  # Heartbeats on top of what it does not take are no progress.
    assert wire.reset_sent


def test_a_client_that_does_not_keep_up_holds_its_handler_and_is_told_of_by_the_send() -> None:
    sent: list[int] = []
    told: list[Disconnected] = []

    async def handler(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            try:
                while True:
                    await events.send("x" * 1000)
                    sent.append(1)
            except Disconnected as exc:
                told.append(exc)
                raise

    wire = Lockstep(app_of(handler), ServerConfig(limits=Limits(outbound_high=20_000)))
    wire.stall()
    wire.receive(GET)
    assert 20 <= len(sent) < 23
    before = len(sent)
    wire.lose()
    assert len(told) == 1
    assert len(sent) == before, "what no client will read was not sent"


def test_a_client_that_keeps_up_leaves_others_their_turns() -> None:
    events_before: list[int] = []

    async def flood(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            other.receive(b"GET /other HTTP/1.0\r\n\r\n")
            for n in range(2000):
                count[0] = n
                await events.send("x" * 1000)

    count = [0]
    app = app_of(flood)
    app.get("/other")(lambda ctx: events_before.append(count[0]))
    wire = Lockstep(app)
    other = wire.open()
    wire.receive(GET)
    assert count == [1999]
    [before] = events_before
    assert BURST / 1100 < before < BURST / 1000


# --- the end ---------------------------------------------------------------------------------


def streaming(**options: Any) -> App:
    async def handler(ctx: Context) -> None:
        async with ctx.event_stream(**options) as events:
            await events.send("first")
            if "retry" in ctx.request.query:
                await events.send("second", retry=77)
            await ctx.sleep(1000)

    return app_of(handler)


@pytest.mark.parametrize(
    ("options", "target", "hint"),
    [
        ({}, "/", b"retry: 1000\n\n"),
        ({"retry": 5000}, "/", b"retry: 5000\n\n"),
        ({"retry": 5000}, "/?retry", b"retry: 77\n\n"),
    ],
)
def test_a_drain_says_when_to_come_again(options: dict[str, Any], target: str, hint: bytes) -> None:
    wire = Lockstep(streaming(**options))
    wire.receive(f"GET {target} HTTP/1.0\r\n\r\n".encode())
    wire.take()
    wire.world.server.shutdown()
    assert wire.take() == hint
    assert wire.eof_sent
    assert not wire.reset_sent
    wire.eof()
    assert wire.world.server.over


def test_a_stream_that_begins_in_a_drain_ends_at_once_and_whole() -> None:
    async def handler(ctx: Context) -> None:
        await ctx.sleep(1)
        async with ctx.event_stream() as events:
            await events.send("never sent")

    wire = Lockstep(app_of(handler))
    wire.receive(GET)
    wire.world.server.shutdown()
    wire.advance(1)
    assert body_of(wire) == b"retry: 1000\n\n"
    assert wire.eof_sent
    assert wire.log == []


def test_a_drain_waits_for_a_slow_reader_up_to_its_deadline() -> None:
    config = ServerConfig(timeouts=Timeouts(drain=20, write_stall=100))
    wire = Lockstep(streaming(), config)
    wire.stall()
    wire.receive(GET)
    wire.world.server.shutdown()
    wire.advance(20)
    assert wire.reset_sent
    wire = Lockstep(streaming(), config)
    wire.stall()
    wire.receive(GET)
    wire.world.server.shutdown()
    wire.advance(19)
    wire.resume()
    assert body_of(wire) == b"data: first\n\nretry: 1000\n\n"
    assert wire.eof_sent
    assert not wire.reset_sent


def test_a_client_that_had_half_closed_before_is_gone_at_the_head() -> None:
    ended: list[str] = []

    async def handler(ctx: Context) -> None:
        await ctx.sleep(1)
        try:
            async with ctx.event_stream() as events:
                await events.send("never sent")
        finally:
            ended.append("yes")

    wire = Lockstep(app_of(handler))
    wire.receive(GET)
    wire.eof()
    wire.advance(1)
    assert ended == ["yes"]
    assert body_of(wire) == b""
    assert wire.closed


async def lingering(ctx: Context) -> None:
    """Does not hear that it is over, as one that blocks a thread."""
    async with ctx.event_stream(heartbeat=1) as events:
        await events.send("first")
        while ctx.link.now() < 10:
            await ctx.link.wait()


def test_nothing_more_is_said_to_a_client_that_left() -> None:
    wire = Lockstep(app_of(lingering))
    wire.receive(GET)
    wire.advance(1)
    assert body_of(wire) == b"data: first\n\n:\n\n"
    wire.eof()
    wire.advance(5)
    assert wire.take() == b""


def test_a_drain_lets_the_client_go_before_its_handler_has_ended() -> None:
    wire = Lockstep(app_of(lingering))
    wire.receive(GET)
    wire.world.server.shutdown()
    assert wire.take().endswith(b"data: first\n\nretry: 1000\n\n")
    assert wire.eof_sent
    assert not wire.world.server.over


def test_disconnected_swallowed_in_the_block_is_raised_again() -> None:
    raised: list[str] = []

    async def handler(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            for _ in range(3):
                try:
                    await ctx.sleep(1000)
                    await events.send("x")
                except Exception as exc:  # noqa: BLE001  # just what a handler must not do
                    raised.append(type(exc).__name__)

    wire = Lockstep(app_of(handler))
    wire.receive(GET)
    wire.lose()
    assert raised == ["Disconnected"] * 3
    assert wire.log == []


# --- TestClient.events -----------------------------------------------------------------------


def ticks() -> App:
    async def handler(ctx: Context) -> None:
        async with ctx.event_stream(retry=100, heartbeat=15) as events:
            for number in range(int(ctx.last_event_id or 0), 5):
                await events.send({"n": number}, event="tick", id=str(number + 1))
                await ctx.sleep(50)

    return app_of(handler)


def test_client_events_are_iterated_in_virtual_time() -> None:
    client = TestClient(ticks())
    with client.events("/") as events:
        assert events.response.headers["content-type"] == "text/event-stream"
        assert [event.json()["n"] for event in events] == [0, 1, 2, 3, 4]
        assert (events.last_event_id, events.retry, events.comments) == ("5", 100, 5 * 3)
        assert events.arrived() == []
    assert client.now == 250


def test_client_events_that_have_arrived_are_not_waited_for() -> None:
    client = TestClient(ticks())
    with client.events("/") as events:
        assert [event.id for event in events.arrived()] == ["1"]
        assert events.arrived() == []
        client.advance(49)
        assert (events.arrived(), events.comments) == ([], 3)
        client.advance(51)
        assert [event.id for event in events.arrived()] == ["2", "3"]
        assert client.now == 100
        assert next(events).id == "4"
        assert client.now == 150


def test_client_events_come_again_with_the_last_id() -> None:
    client = TestClient(ticks())
    with client.events("/") as events:
        next(events)
        assert next(events).id == "2"
    with client.events("/", events.last_event_id) as events:
        assert [event.id for event in events] == ["3", "4", "5"]


def test_client_events_refuse_what_is_no_event_stream() -> None:
    async def handler(ctx: Context) -> str:
        return "text"

    client = TestClient(app_of(handler))
    with pytest.raises(UsageError, match="answered 200 with text/plain"), client.events("/"):
        pass
    with pytest.raises(UsageError, match="answered 404"), client.events("/nowhere"):
        pass


def test_client_events_that_never_come_are_an_error() -> None:
    async def handler(ctx: Context) -> None:
        async with ctx.event_stream(heartbeat=10) as events:
            await events.follow(EventLog())

    with TestClient(app_of(handler)).events("/") as events, pytest.raises(Silence):
        next(events)


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_client_events_on_a_real_lane(backend: str) -> None:
    log = EventLog()

    async def handler(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.follow(log, history=1)

    with TestClient(app_of(handler), backend=backend) as client:
        log.send("one")
        with client.events("/") as events:
            assert next(events).data == "one"
            log.send("two")
            assert next(events).data == "two"


# --- a restart -------------------------------------------------------------------------------


def test_a_client_of_a_restarted_server_is_told_and_goes_on() -> None:
    def life(epoch: str) -> tuple[TestClient, EventLog]:
        log = EventLog(epoch=epoch)

        async def handler(ctx: Context) -> None:
            async with ctx.event_stream() as events:
                await events.follow(log)

        return TestClient(app_of(handler)), log

    client, log = life("a")
    with client.events("/") as events:
        assert events.arrived() == []
        log.send("before")
        assert next(events).id == "a-1"
        client.world.server.shutdown()
        assert list(events) == []  # The stream ended whole; else this is IncompleteResponse.
        assert events.retry == 1000
    again, log = life("b")
    log.send("after")
    with again.events("/", events.last_event_id) as events:
        resync, after = events.arrived()
        assert resync.json() == {"reason": "unknown", "after": "a-1", "missed": None}
        assert (after.data, after.id) == ("after", "b-1")


def test_two_worlds_can_share_a_log() -> None:
    log = EventLog(epoch="e")

    async def handler(ctx: Context) -> None:
        async with ctx.event_stream() as events:
            await events.follow(log)

    wires = [Lockstep(world=World(app_of(handler))) for _ in range(2)]
    for wire in wires:
        wire.receive(GET)
        wire.take()
    assert log.send("x") == 2
    assert [wire.take() for wire in wires] == [b"id: e-1\ndata: x\n\n"] * 2
