"""What the asyncio lane's driver is asked before its transport is there: no sockets, no sleeps."""

from __future__ import annotations

import asyncio
from typing import Any

from anylane import App, ServerConfig
from anylane.server import ServerCore
from anylane_backends.asyncio import AsyncioDriver, Lane


class Transport:
    """Remembers that it was closed."""

    closed = False

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


def test_an_abort_ends_connections_that_were_accepted_but_not_connected_yet() -> None:
    async def main() -> tuple[bool, bool]:
        server = ServerCore(
            App(),
            ServerConfig(),
            date=lambda: b"Mon, 23 Nov 2026 00:00:00 GMT",
            token=bytes,
            log=lambda *_: None,
            lane="asyncio",
        )
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
