"""A streamed response: `async with ctx.stream() as out: await out.write(chunk)`."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from anylane.errors import UsageError

if TYPE_CHECKING:
    from anylane.http.response import Response
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange


class Stream:
    """Writes the body of a response piece by piece; one write is one chunk.

    The head goes out on entering, the end on leaving. Left by an exception, the body stays
    incomplete and the connection closes, so that no client takes it for whole.

    length: of the body in bytes, None if it is not known.
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
        self._link.check()
        status, headers = self._response.head()
        if self._response.status is None:
            status = 200
        self._exchange.send_head(status, headers, self._length)
        self._response.freeze()
        self._link.pump()
        return self

    async def write(self, data: bytes | str) -> None:
        """Queue one piece; wait first while the client is behind. Raise Disconnected when it is
        gone, UsageError for what is neither bytes nor str.

        Cancelled means not sent: after the last wait nothing can interrupt it.
        """
        if not isinstance(data, bytes | str | bytearray | memoryview):
            raise UsageError(f"a stream takes bytes or str, not {type(data).__name__}")
        link = self._link
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
