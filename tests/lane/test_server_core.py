"""ServerCore serves anything that answers exchanges; it knows nothing of App, Context and hooks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from anylane import App, ServerConfig, UsageError
from anylane.lane.driver import Driver
from anylane.lane.errand import NoConnection
from anylane.lane.host import Forwarded, Log
from anylane.lane.life.lifespan import Lifespan
from anylane.lane.life.schedule import Periodic
from anylane.lane.link import Errand, Link
from anylane.lane.server_core import ServerCore
from anylane.lane.stepping import SteppedLink, step
from anylane.protocol import Closing, Exchange
from anylane.protocol.any_connection import AnyConnection
from anylane.testing import Lockstep, World


class Echo:
    """An Application of a dozen lines."""

    on_connect: Errand | None = None
    on_disconnect: Errand | None = None
    jobs: tuple[Periodic, ...] = ()

    async def run(self, exchange: Exchange, link: Link) -> None:
        assert exchange.head is not None
        while (chunk := exchange.read(link.now())) is None:
            await link.wait()
        text = b"%b %b %b" % (exchange.head.method, exchange.head.target, chunk)
        exchange.conclude(200, (("content-type", "text/plain"),), text, link.now())

    def lifespan(self, log: Log) -> Lifespan:
        return Lifespan(self, (), log)

    def configured(self, config: ServerConfig) -> Echo:
        return self

    def forwarded(self, config: ServerConfig) -> Forwarded | None:
        return None


class PlainLink(SteppedLink):
    def __init__(self, driver: Driver, exchange: Exchange) -> None:
        super().__init__(driver, exchange)
        self.coroutine: Coroutine[Any, Any, None] = driver.server.run_exchange(exchange, self)
        self.latched = True

    def notify(self) -> None:
        self.latched = True


class PlainDriver(Driver):
    """A transport that keeps what is written."""

    def __init__(self, server: ServerCore) -> None:
        self.sent = b""
        super().__init__(server, peer=None, local=None)

    def now(self) -> float:
        return 0.0

    def write(self, chunks: list[bytes]) -> None:
        self.sent += b"".join(chunks)

    def unsent(self) -> int:
        return 0

    def start(self, exchange: Exchange) -> None:
        self.started(PlainLink(self, exchange))

    def arm(self, deadline: float) -> None: ...
    def set_reading(self, on: bool) -> None: ...
    def close(self, how: Closing) -> None: ...

    def run(self) -> None:
        for link in tuple(self.links):
            assert isinstance(link, PlainLink)
            if link.latched and not step(link.coroutine, "plain"):
                self.finished(link)


def core(application: Any, **callables: Callable[..., Any]) -> ServerCore:
    return ServerCore(
        application,
        ServerConfig(),
        time=lambda: 0.0,
        date=lambda: b"Thu, 01 Jan 1970 00:00:00 GMT",
        token=bytes,
        log=lambda *_: None,
        lane="plain",
        **callables,
    )


def test_a_lane_serves_anything_that_answers_exchanges() -> None:
    driver = PlainDriver(core(Echo()))
    driver.receive(b"POST /here HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
    driver.run()
    assert driver.sent == b""
    driver.receive(b"hi")
    driver.run()
    assert driver.sent.endswith(b"\r\n\r\nPOST /here hi")


def test_an_app_has_to_be_frozen_first() -> None:
    with pytest.raises(UsageError, match=r"expected an Application: app\.freeze\(\)"):
        core(App())
    with pytest.raises(UsageError, match="ServerCore got 'my app'"):
        core("my app")
    assert core(App().freeze()).lane == "plain"


def test_without_a_transport_there_is_a_connection_that_is_over() -> None:
    connection: AnyConnection = NoConnection(ServerConfig())
    connection.receive_data(b"GET / HTTP/1.1\r\n\r\n", now=1.0)
    connection.handle_timeout(2.0)
    assert connection.next_exchange() is None
    assert connection.data_to_send() == []
    assert connection.next_deadline() is None
    assert connection.closing is Closing.ABORT
    assert not connection.congested


def test_what_was_counted_of_a_flood_is_told_when_a_connection_comes_or_goes() -> None:
    for comes in (True, False):
        world = World(App())
        wires = [Lockstep(world=world) for _ in range(30)]
        for wire in wires:
            wire.receive(b"nonsense\r\n\r\n")
        assert len(world.log) == 10
        world.now += 1
        if comes:
            Lockstep(world=world)
        else:
            wires[0].lose()
        assert [record.message for record in world.log[10:]] == [
            "refused requests: 20 more in the last 1 s"
        ]
