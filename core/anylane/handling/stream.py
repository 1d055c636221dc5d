"""Stream: a response that is sent piece by piece, `async with ctx.stream() as out`."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from anylane.errors import UsageError
from anylane.handling.blocking import belongs_in_pool, change, run_blocking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anylane.http.response import Response
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.routing.parts import Transform


class Stream:
    """Sends the body of a response piece by piece: `await out.write(chunk)` inside of the block.

    length: of the body, in bytes; None if it is not known. Then each write is one chunk (RFC 9112
    §7.1), or the end of the connection ends the body for an HTTP/1.0 client.

    Entering lets the response hooks see `ctx.response`, sends its head and freezes it. It raises
    UsageError if the response was started before, if its headers contradict the framing, or if a
    hook has put another one in its place; and Disconnected if the client is gone.
    Leaving sends the end and the trailers; it raises UsageError if the body is shorter than
    `length`. If the block is left by an exception, the body stays incomplete and the connection
    closes, so that no client takes it for whole.
    """

    __slots__ = ("_begin", "_broken", "_busy", "_exchange", "_length", "_link", "_response",
                 "_transforms")  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        link: Link,
        length: int | None,
        begin: Callable[[], Awaitable[tuple[Response, list[Transform]]]],
    ) -> None:
        """begin: lets the response hooks see the response; returns it, and what changes its
        body."""
        self._exchange = exchange
        self._link = link
        self._length = length
        self._begin = begin
        self._busy = self._broken = False
        self._response: Response
        self._transforms: list[Transform]

    async def __aenter__(self) -> Self:
        if self._exchange.interrupt is not None:
            await self._link.hear()
        self._link.check()
        self._response, self._transforms = await self._begin()
        response = self._response
        status, headers = response.head()
        self._exchange.send_head(status, headers, None if self._transforms else self._length)
        response.freeze()
        self._link.pump()
        return self

    async def write(self, data: bytes | str) -> None:
        """Wait while the client is behind, then queue one piece whole.

        data: bytes, or str, which is sent as UTF-8. Raise UsageError for anything else, for a body
        longer than `length`, and after the exchange has ended; raise Disconnected if the client is
        gone. Nothing was sent then, nor if the call is cancelled: after the last wait nothing can
        interrupt it. A long piece that is compressed in the pool is the exception: if that is
        cancelled, the body cannot go on, and later calls raise UsageError.
        """
        if not isinstance(data, bytes | str | bytearray | memoryview):
            raise UsageError(f"a chunk is {type(data).__name__}; expected bytes or str")
        link = self._link
        if self._exchange.interrupt is not None:
            await link.hear()
        link.check()
        await link.flush()
        link.check()
        chunk = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        if self._transforms:
            chunk = await self._changed(chunk)
        self._exchange.send_data(chunk)
        link.pump()

    async def _changed(self, piece: bytes) -> bytes:
        """Return a piece after all that changes it, in the pool if it is long. Other tasks that
        write to this stream wait meanwhile."""
        link, transforms = self._link, self._transforms
        while self._busy:
            await link.wait()
            link.check()
        self._check_whole()
        if not belongs_in_pool(link, piece, transforms):
            return change(piece, transforms, ends=False)
        self._busy = self._broken = True
        try:
            piece = await run_blocking(link, lambda: change(piece, transforms, ends=False))
            self._broken = False
        finally:
            self._busy = False
            link.wake()  # Those that wait for their turn.
        return piece

    def _check_whole(self) -> None:
        if self._broken:
            raise UsageError(
                "the stream cannot go on: a write was cancelled while its piece was compressed. "
                "Write pieces of at most 64 KiB, or let the exception pass"
            )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            self._check_whole()
            end = b""
            for transform in self._transforms:
                end = (transform.feed(end) if end else b"") + transform.finish()
            if end:
                self._exchange.send_data(end)
            self._exchange.send_end(self._response.trailers)
            self._link.pump()
