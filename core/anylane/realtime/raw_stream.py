"""RawStream: the bytes of a connection after `ctx.take_over()`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange


class RawStream:
    """Read and write a connection that speaks HTTP no longer. `async for` gives what comes."""

    __slots__ = ("_closed", "_exchange", "_link")

    def __init__(self, exchange: Exchange, link: Link) -> None:
        self._exchange = exchange
        self._link = link
        self._closed = False

    async def read(self) -> bytes:
        """What has come, b"" at the end; waits for it. Raises Disconnected."""
        while True:
            self._exchange.check()
            data = self._exchange.read(self._link.now())
            if data is not None:
                self._link.pump()
                return data
            await self._link.wait()

    async def write(self, data: bytes) -> None:
        """Queue all of it; waits first while the peer is behind. Raises Disconnected."""
        self._exchange.check()
        await self._link.flush()
        self._exchange.check()
        self._exchange.send_data(data)
        self._link.pump()

    async def close(self) -> None:
        """Send no more, and close the connection when the peer has read what was sent."""
        if not self._closed:
            self._closed = True
            self._exchange.send_end()
            self._exchange.finish(self._link.now())
            self._link.pump()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self.read()
        if not data:
            raise StopAsyncIteration
        return data
