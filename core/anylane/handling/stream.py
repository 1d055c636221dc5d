"""Stream: a response that is sent piece by piece, `async with ctx.stream() as out`."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from anylane.errors import UsageError

if TYPE_CHECKING:
    from anylane.http.response import Response
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange


class Stream:
    """Sends the body of a response piece by piece: `await out.write(chunk)` inside of the block.

    length: of the body, in bytes; None if it is not known. Then each write is one chunk (RFC 9112
    §7.1), or the end of the connection ends the body for an HTTP/1.0 client.

    Entering sends the head and freezes `ctx.response`. It raises UsageError if the response was
    started before or its headers contradict the framing, and Disconnected if the client is gone.
    Leaving sends the end and the trailers; it raises UsageError if the body is shorter than
    `length`. If the block is left by an exception, the body stays incomplete and the connection
    closes, so that no client takes it for whole.
    """

    __slots__ = ("_exchange", "_length", "_link", "_response")

    def __init__(
        self, exchange: Exchange, link: Link, response: Response, length: int | None
    ) -> None:
        self._exchange = exchange
        self._link = link
        self._response = response
        self._length = length

    async def __aenter__(self) -> Self:
        if self._exchange.interrupt is not None:
            await self._link.hear()
        self._link.check()
        status, headers = self._response.head()
        if self._response.status is None:
            status = 200
        self._exchange.send_head(status, headers, self._length)
        self._response.freeze()
        self._link.pump()
        return self

    async def write(self, data: bytes | str) -> None:
        """Wait while the client is behind, then queue one piece whole.

        data: bytes, or str, which is sent as UTF-8. Raise UsageError for anything else, for a body
        longer than `length`, and after the exchange has ended; raise Disconnected if the client is
        gone. Nothing was sent then, nor if the call is cancelled: after the last wait nothing can
        interrupt it.
        """
        if not isinstance(data, bytes | str | bytearray | memoryview):
            raise UsageError(f"a chunk is {type(data).__name__}; expected bytes or str")
        link = self._link
        if self._exchange.interrupt is not None:
            await link.hear()
        link.check()
        await link.flush()
        link.check()
        self._exchange.send_data(data.encode("utf-8") if isinstance(data, str) else bytes(data))
        link.pump()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            self._exchange.send_end(self._response.trailers)
            self._link.pump()
