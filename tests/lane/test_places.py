"""Who may stay when all places are taken, in memory and in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from anylane import App, Context, Limits, ServerConfig, Timeouts
from anylane.lane.arrivals import places
from anylane.lane.arrivals.places import CALM, LEAVING
from anylane.protocol import Closing
from anylane.protocol.refusal import LINGER, RETRY_AFTER
from anylane.testing import Lockstep, World

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"


def make_app() -> App:
    app = App()

    @app.get("/")
    async def plain(ctx: Context) -> str:
        return "hi"

    @app.get("/slow")
    async def slow(ctx: Context) -> str:
        await ctx.sleep(10)
        return "slow"

    return app


HOUSES: list[World] = []


@pytest.fixture(autouse=True)
def emptied() -> Iterator[None]:
    """No handler is left suspended for the garbage collector."""
    yield
    while HOUSES:
        world = HOUSES.pop()
        world.server.abort()
        world.run()


def house(app: App | None = None, **config: Any) -> World:
    config.setdefault("timeouts", Timeouts(keep_alive=600.0))
    HOUSES.append(World(app or make_app(), ServerConfig(**config)))
    return HOUSES[-1]


def arrive(world: World, sends: bytes = b"", peer: Any = ("192.0.2.1", 1)) -> Any:
    """A client that comes a second after all before. Any: its properties change under mypy."""
    world.advance(1)
    wire = Lockstep(world=world, peer=peer)
    if sends:
        wire.receive(sends)
    return wire


def lines(world: World) -> list[str]:
    return [f"{record.level}: {record.message}" for record in world.log]


# -- who goes -------------------------------------------------------------------------------------


def test_the_order_is_that_of_the_last_byte() -> None:
    world = house(max_connections=3)
    first, second, third = [arrive(world) for _ in range(3)]
    for wire in (second, first):
        world.advance(1)
        wire.receive(GET)
    goers = []
    for _ in range(3):
        arrive(world, GET)
        goers += [wire for wire in (first, second, third) if wire.closed and wire not in goers]
    assert goers == [third, second, first]
    assert not any(wire.reset_sent for wire in goers)


def test_bytes_in_the_socket_are_a_request() -> None:
    world = house(max_connections=2)
    first, second = arrive(world), arrive(world)
    first._driver.put(GET)  # It lies in the kernel: nothing has read it yet.
    third = Lockstep(world=world)
    assert not first.closed and second.closed
    assert first.sent.endswith(b"hi")
    assert not third.closed


@pytest.mark.parametrize("sends", [b"GET / HT", SLOW, b"POST / HTTP/1.1\r\nHost: a\r\nContent-"])
def test_who_has_begun_to_ask_stays(sends: bytes) -> None:
    world = house(max_connections=2)
    busy, idle = arrive(world, sends), arrive(world, GET)
    arrive(world)
    assert idle.closed and not busy.closed


def test_an_answer_that_was_not_taken_is_no_idleness() -> None:
    world = house(max_connections=2)
    slow, idle = arrive(world), arrive(world)
    slow.stall()
    slow.receive(GET)
    arrive(world)
    assert idle.closed and not slow.closed
    slow.resume()
    assert slow.sent.endswith(b"hi")
    world.advance(1)
    arrive(world)
    arrive(world)
    assert slow.closed and not slow.reset_sent


def test_hooks_of_the_connection_keep_it_and_run_when_it_goes() -> None:
    app = make_app()
    seen: list[str] = []

    @app.on_connect
    async def hello(ctx: Context) -> None:
        await ctx.sleep(2.5)

    @app.on_disconnect
    async def goodbye(ctx: Context) -> None:
        seen.append("goodbye")

    world = house(app, max_connections=2)
    first, second = arrive(world), arrive(world)
    third = arrive(world)
    assert (first.closed, second.closed, third.closed) == (False, False, False)
    world.advance(10)
    arrive(world)  # The third has no place of its own, so two go.
    assert first.closed and second.closed and seen == ["goodbye"] * 2
    assert not third.closed


def test_hooks_that_do_not_end_delay_newcomers_beyond_a_bound() -> None:
    app = make_app()

    @app.on_disconnect
    async def goodbye(ctx: Context) -> None:
        await ctx.sleep(100)

    world = house(app, max_connections=2)
    for _ in range(LEAVING + 1):
        assert world.server.accepting
        Lockstep(world=world)
    while world.server.accepting:
        Lockstep(world=world)
    assert len(world.server.drivers) == LEAVING + 2
    told: list[bool] = []
    world.server.attach(world.server.wakes, lambda: told.append(world.server.accepting))
    world.advance(101)
    assert told[-1] is True


def test_a_client_that_does_not_take_its_end_is_reset() -> None:
    world = house(max_connections=1, timeouts=Timeouts(linger=3.0))
    wire = arrive(world)
    connection = wire._driver.connection
    connection.send(b"what the transport could not send yet")
    assert connection.data_to_send()
    connection.dismiss(world.now)
    seen = [connection.closing]
    for seconds in (2.9, 3.0):
        connection.handle_timeout(world.now + seconds)
        seen.append(connection.closing)
    assert seen == [Closing.CLOSE, Closing.CLOSE, Closing.ABORT]


def test_a_newcomer_costs_no_look_at_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def counted(guest: Any) -> float:
        nonlocal looks
        looks += 1
        return original(guest)

    original = places.idle_since
    monkeypatch.setattr(places, "idle_since", counted)
    world = house(max_connections=500)
    for number in range(500):  # All but a few are busy, and will be.
        arrive(world, SLOW if number % 100 else b"")
    before = looks
    for _ in range(300):
        arrive(world)
        assert world.server.places.taken == 500
    assert looks - before < 300 * 20


def test_who_becomes_idle_has_the_lane_told() -> None:
    world = house(max_connections=1)
    told: list[bool] = []
    busy = arrive(world, SLOW)
    world.server.attach(world.server.wakes, lambda: told.append(world.server.accepting))
    assert not world.server.accepting
    world.advance(11)
    assert told == [True]
    assert not busy.closed
    newcomer = arrive(world, GET)
    assert busy.closed and newcomer.sent.endswith(b"hi")


def test_nothing_is_kept_of_who_is_gone() -> None:
    world = house(max_connections=2, when_full="refuse", max_connections_per_address=10)
    for _ in range(20):
        arrive(world, GET)
    for driver in tuple(world.drivers):
        driver.put(None)
    world.run()
    held = world.server.places
    assert held.taken == 0 and not world.server.drivers
    assert not held._idle and not held._leaving and not held._refused
    assert held._bounds is not None and not held._bounds._counts


# -- refusing -------------------------------------------------------------------------------------


def refusing(**config: Any) -> tuple[World, Any]:
    """A full house, and a client that is refused."""
    world = house(max_connections=1, when_full="refuse", **config)
    arrive(world, SLOW)
    assert world.server.accepting
    return world, arrive(world)


def test_a_refused_client_gets_a_bare_503_and_a_moment() -> None:
    world, wire = refusing()
    assert wire.sent == (
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: %d\r\ncontent-length: 0\r\n"
        b"connection: close\r\n\r\n" % RETRY_AFTER
    )
    assert wire.eof_sent and not wire.closed
    wire.receive(GET)
    assert wire.sent.count(b"HTTP/1.1") == 1
    world.advance(LINGER)
    assert wire.closed and not wire.reset_sent
    assert world.server.places.taken == 1


def test_a_refused_client_that_ends_its_side_is_closed() -> None:
    _, wire = refusing()
    wire.eof()
    assert wire.closed and not wire.reset_sent


def test_a_refused_client_that_goes_on_sending_is_reset() -> None:
    _, wire = refusing(limits=Limits(linger=1000))
    wire.receive(b"x" * 1000)
    assert not wire.closed
    wire.receive(b"x")
    assert wire.closed and wire.reset_sent


def test_of_those_refused_the_first_gives_way() -> None:
    world, first = refusing()
    others = [Lockstep(world=world) for _ in range(LEAVING - 1)]
    assert not first.closed
    last: Any = Lockstep(world=world)
    assert first.closed and not first.reset_sent
    assert not any(each.closed for each in (*others, last))


def test_one_that_takes_no_answer_is_reset_then() -> None:
    world, _ = refusing()
    stalled: Any = arrive(world)
    stalled._driver.unsent_data.append(b"what it does not take")
    for _ in range(LEAVING):
        Lockstep(world=world)
    assert stalled.closed and stalled.reset_sent


def test_a_drain_does_not_wait_for_the_refused() -> None:
    world, wire = refusing()
    world.server.shutdown()
    world.advance(LINGER)
    assert wire.closed


def test_no_hook_runs_for_the_refused() -> None:
    app = make_app()
    seen: list[str] = []
    app.on_connect(lambda ctx: seen.append("hello"))
    app.on_disconnect(lambda ctx: seen.append("goodbye"))
    world = house(app, max_connections=1, when_full="refuse")
    arrive(world, SLOW)
    seen.clear()
    wire = arrive(world, GET)
    assert b"503" in wire.sent
    wire.lose()
    assert seen == []


# -- what an operator sees ------------------------------------------------------------------------


def test_the_state_is_told_when_it_begins_and_when_it_is_over() -> None:
    world = house(max_connections=2, when_full="refuse")
    wires = [arrive(world, GET) for _ in range(5)]
    busy = [arrive(world, SLOW) for _ in range(2)]
    refused = [arrive(world) for _ in range(3)]
    (began,) = lines(world)
    assert began == (
        "warning: all 2 places are taken (max_connections): for each newcomer the connection goes "
        "that is idle longest; while none is, newcomers are refused"
    )
    assert all(wire.closed for wire in wires)
    for wire in (*busy, *refused):
        wire.lose()
    world.advance(CALM - 2)
    arrive(world).lose()
    assert len(world.log) == 1
    world.advance(2)
    arrive(world).lose()
    _, ended = lines(world)
    assert ended == (
        "info: places are free again; meanwhile 5 idle connections were let go for newcomers, and "
        "3 newcomers were refused"
    )
    assert not world.server.places.crowded


def test_a_house_that_is_always_full_is_told_of_once() -> None:
    world = house(max_connections=2)
    for _ in range(200):
        arrive(world, GET)
    assert len(world.log) == 1


# -- bounds of clients ----------------------------------------------------------------------------


def test_a_bound_is_told_of_once_and_its_end_too() -> None:
    world = house(max_connections_per_address=1)
    first = arrive(world, GET)
    assert all(arrive(world).closed for _ in range(3))
    other = arrive(world, GET, ("192.0.2.9", 1))
    assert not first.closed and not other.closed
    first.lose()
    (began,) = lines(world)
    assert began == (
        "warning: 192.0.2.1/32 has reached max_connections_per_address (1): its next connections "
        "are refused, as are those of all who do"
    )
    world.advance(CALM)
    other.lose()
    _, ended = lines(world)
    assert ended == (
        "info: no client has reached its bound of late; before, 3 connections were refused"
    )
    assert not arrive(world, GET).closed


def test_a_proxy_that_is_believed_has_no_bound() -> None:
    world = house(
        max_connections_per_address=1, proxy_headers=True, forwarded_allow_ips=("10.0.0.0/8",)
    )
    assert not any(arrive(world, GET, ("10.1.2.3", 1)).closed for _ in range(3))
    assert [arrive(world, b"", ("192.0.2.1", 1)).closed for _ in range(2)] == [False, True]
