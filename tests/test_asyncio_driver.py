"""What the asyncio lane's driver is asked before its transport is there: no sockets, no sleeps."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from typing import Any

from anylane import App, Context, ServerConfig
from anylane.server import ServerCore
from anylane_backends.asyncio import AsyncioDriver, Lane


class Transport:
    """Remembers that it was closed."""

    closed = False
    written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> Any:
        return None

    def pause_reading(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    abort = close


variable: ContextVar[str] = ContextVar("variable", default="unset")


def core(app: App) -> ServerCore:
    return ServerCore(
        app,
        ServerConfig(),
        date=lambda: b"Mon, 23 Nov 2026 00:00:00 GMT",
        token=bytes,
        log=lambda *_: None,
        lane="asyncio",
    )


def test_a_handler_does_not_see_the_variables_of_whoever_accepted() -> None:
    """A lane goes on accepting when a connection has ended, maybe in the middle of a handler."""
    app = App()

    @app.get("/")
    async def tell(ctx: Context) -> str:
        return variable.get()

    async def main() -> bytes:
        lane = Lane(core(app))
        transport = Transport()

        def accept() -> AsyncioDriver:
            variable.set("another handler's")
            driver = AsyncioDriver(lane, None, None)
            driver.connection_made(transport)  # type: ignore[arg-type]
            return driver

        copy_context().run(accept).data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while not transport.written:  # noqa: ASYNC110  # turns of the loop are wanted
            await asyncio.sleep(0)
        lane.pool.close()
        return transport.written

    assert asyncio.run(main()).endswith(b"unset")


def test_an_abort_ends_connections_that_were_accepted_but_not_connected_yet() -> None:
    async def main() -> tuple[bool, bool]:
        server = core(App())
        lane = Lane(server)
        early = AsyncioDriver(lane, None, None)
        other, transport = AsyncioDriver(lane, None, None), Transport()
        other.connection_made(transport)  # type: ignore[arg-type]
        server.abort()
        late = Transport()
        early.connection_made(late)  # type: ignore[arg-type]
        early.connection_lost(None)
        other.connection_lost(None)
        lane.pool.close()
        return transport.closed, late.closed

    assert asyncio.run(main()) == (True, True)
