"""RawStream: the bytes of a connection after `ctx.take_over()`.

Only `RawProtocol` (tier 0) decides about them; here a handler waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from anylane.errors import UsageError

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import RawSession


class RawStream:
    """The bytes of a connection that speaks HTTP no longer (RFC 9110 §7.8, §9.3.6).

    `async for` yields what comes until the peer ends its side.
    """

    __slots__ = ("_closed", "_exchange", "_link", "_session")

    def __init__(self, exchange: Exchange, link: Link, session: RawSession) -> None:
        self._exchange = exchange
        self._link = link
        self._session = session
        self._closed = False

    async def read(self) -> bytes:
        """Wait for bytes and return what has come; b"" at the end of the peer's side.

        Raises Disconnected when the peer is gone, UsageError after `close`.
        """
        while True:
            self._check()
            data = self._session.read(self._link.now())
            if data is not None:
                self._link.pump()
                return data
            await self._link.wait()

    async def write(self, data: bytes) -> None:
        """Queue all of *data*; wait first while the peer is behind.

        Raises Disconnected when the peer is gone, UsageError after `close`. A call that was
        cancelled has sent nothing.
        """
        self._check()
        await self._link.flush()
        self._check()
        self._session.send(data)
        self._link.pump()

    async def close(self) -> None:
        """End our side, and close the connection when the peer has read what was sent.

        Harmless when it was closed before.
        """
        if not self._closed:
            self._closed = True
            self._session.finish(self._link.now())
            self._link.pump()

    def _check(self) -> None:
        """Raise UsageError after `close`, and what the exchange has to raise."""
        self._link.check()
        if self._closed:
            raise UsageError("the raw stream was closed: it can be neither read nor written now")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self.read()
        if not data:
            raise StopAsyncIteration
        return data
