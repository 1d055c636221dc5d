"""The figures of a running server: what `link.host.status` tells, in memory and in virtual time."""

from __future__ import annotations

from anylane import App, Context, ServerConfig
from anylane.lane.host import ServerStatus
from anylane.testing import Lockstep, World

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SOCKET = (
    b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def make_app() -> App:
    app = App()

    @app.get("/")
    async def slow(ctx: Context) -> str:
        await ctx.sleep(10)
        ctx.background(ctx.sleep, 5)
        return "slow"

    @app.websocket("/socket")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        async for _ in ws:
            pass

    return app


def counts(status: ServerStatus) -> tuple[int, int, int, int]:
    return status.accepted, status.connections, status.exchanges, status.websockets


def test_the_figures_are_those_of_what_is_open_and_runs() -> None:
    world = World(make_app())
    status = world.server.status
    assert counts(status) == (0, 0, 0, 0) and status.workers == 1
    first, second = Lockstep(world=world), Lockstep(world=world)
    assert counts(status) == (2, 2, 0, 0)
    first.receive(GET)
    second.receive(SOCKET)
    assert counts(status) == (2, 2, 2, 1)
    world.advance(10)  # The background work of the first is no connection and no exchange.
    assert len(world.server.drivers) == 3
    assert counts(status) == (2, 2, 1, 1)
    second.lose()
    assert counts(status) == (2, 1, 0, 0)
    world.advance(5)
    assert not status.draining
    world.server.shutdown()
    world.run()
    assert status.draining


def test_what_was_refused_for_want_of_a_place_is_counted_apart() -> None:
    world = World(make_app(), ServerConfig(max_connections=1, when_full="refuse"))
    status = world.server.status
    Lockstep(world=world)
    Lockstep(world=world).receive(GET)  # The first leaves for it, the next cannot.
    assert (status.accepted, status.connections, status.refused) == (2, 1, 0)
    Lockstep(world=world)
    assert (status.accepted, status.connections, status.refused) == (2, 1, 1)


def test_what_watches_is_told_of_connections_and_of_a_drain() -> None:
    world = World(make_app())
    status, told = world.server.status, []

    def note() -> None:
        told.append((status.connections, status.draining))

    status.watch(note)
    wire = Lockstep(world=world)
    wire.lose()
    Lockstep(world=world)
    world.server.shutdown()
    assert told[:4] == [(1, False), (0, False), (1, False), (1, True)]


def test_a_server_begins_on_its_own_clock() -> None:
    world = World(make_app())
    world.advance(3)
    assert world.server.time() - world.server.status.started == 3
