"""A streamed response: `async with ctx.stream() as out: await out.write(chunk)`."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from anylane.errors import UsageError

if TYPE_CHECKING:
    from anylane.handling.context import Context


class Stream:
    """Writes the body of a response piece by piece; one write is one chunk.

    The head goes out on entering, the end on leaving. Left by an exception, the body stays
    incomplete and the connection closes, so that no client takes it for whole.
    """

    __slots__ = ("_ctx", "_length")

    def __init__(self, ctx: Context, length: int | None) -> None:
        self._ctx = ctx
        self._length = length

    async def __aenter__(self) -> Self:
        ctx = self._ctx
        ctx.check()
        status, headers = ctx.response.head()
        if ctx.response.status is None:
            status = 200
        ctx.exchange.send_head(status, headers, self._length)
        ctx.response.freeze()
        ctx.link.pump()
        return self

    async def write(self, data: bytes | str) -> None:
        """Queue one piece; waits first while the client is behind. Raises Disconnected.

        Cancelled means not sent: after the last wait nothing can interrupt it.
        """
        if not isinstance(data, bytes | str | bytearray | memoryview):
            raise UsageError(f"a stream takes bytes or str, not {type(data).__name__}")
        ctx = self._ctx
        ctx.check()
        await ctx.link.flush()
        ctx.check()
        ctx.exchange.send_data(data.encode("utf-8") if isinstance(data, str) else bytes(data))
        ctx.link.pump()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            self._ctx.exchange.send_end(self._ctx.response.trailers)
            self._ctx.link.pump()
