"""FetchHost: one Request and its Response as the host of a channel."""

from __future__ import annotations

import asyncio
from typing import Any

from anylane.errors import UsageError
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outputs import Content, Message, Start
from anylane.protocol.request_head import RawHeaders
from anylane_backends.fetch.javascript import (
    Javascript,
    Reader,
    Rejected,
    Request,
    Response,
    Writer,
    outcome,
)
from anylane_backends.fetch.request import has_body

BUFFER = 65536
"""Bytes that lie in the stream of an answer before its handler waits: what a lane reads at once."""

WITHOUT_BODY = frozenset((204, 205, 304))
"""Statuses that a Response takes no stream with (Fetch standard, "null body status")."""


class FetchHost:
    """Gives a request's body as it is asked for, and its answer as a stream with a bound.

    response: the Response, once the head of the answer is there.
    """

    def __init__(self, js: Javascript, channel: MessageChannel, request: Request) -> None:
        if request.bodyUsed:
            raise UsageError(
                "the body of this Request was read before; give FetchHandler a request whose body "
                "nothing has read, or a request.clone()"
            )
        self._js = js
        self._channel = channel
        self._request = request
        self._head_only = str(request.method) == "HEAD"
        self._reader: Reader | None = None
        self._more = has_body(request)
        self._writer: Writer | None = None
        self._writing: asyncio.Future[Any] | None = None
        self._gone = asyncio.Event()
        self.response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._signal = getattr(request, "signal", None)
        self._listener = js.lent(self.leave)
        if self._signal is not None:
            self._signal.addEventListener("abort", self._listener)
            if self._signal.aborted:
                self.leave()

    def leave(self, *_: object) -> None:
        """Take note that the client is gone. What waits for it goes on."""
        self._gone.set()
        if self._reader is not None:
            self._reader.cancel().then(_ignore, _ignore)
        if self._writer is not None:
            self._abort("the client has left")
        if self._writing is not None and not self._writing.done():
            self._writing.set_exception(Rejected("the client has left"))

    # -- Host --------------------------------------------------------------------------------------

    async def receive(self) -> bytes | None:
        """Wait for the next piece of the body: b"" ends it. Behind it, wait for the client to
        leave, and return None."""
        if not self._more:
            await self._gone.wait()
            return None
        try:
            piece = await self._piece()
        except Rejected:  # What stops the body has ended the request.
            return None
        return None if self._gone.is_set() else piece

    async def _piece(self) -> bytes:
        body = getattr(self._request, "body", None)
        if not body:  # Not every browser gives a stream.
            self._more = False
            whole = await outcome(self._request.arrayBuffer())
            return bytes(whole.to_bytes())
        if self._reader is None:
            self._reader = body.getReader()
        reader = self._reader
        assert reader is not None
        piece = b""
        while not piece:  # A stream may give chunks without a byte.
            chunk = await outcome(reader.read())
            if chunk.done:
                self._more = False
                break
            piece = chunk.value.to_bytes()
        return piece

    def take(self, message: bytes | None, now: float) -> None:
        """Tell the channel of what has come."""
        if message is None:
            self._channel.receive_disconnect()
        else:
            self._channel.receive_body(message, now, more=self._more)

    async def send(self, message: Message) -> None:
        """Make the Response, or write into its stream and return when there is room again."""
        if self._gone.is_set():
            raise ConnectionResetError("the client has left")
        match message:
            case Start(status, headers):
                self.response.set_result(self._response(status, headers))
            case Content(data, more) if self._writer is not None:
                if data:
                    await self._kept_up(outcome(self._writer.write(self._js.given(data))))
                if not more:
                    await self._kept_up(outcome(self._writer.close()))
            case _:  # Hints, trailers and WebSockets do not come here.
                pass

    async def _kept_up(self, writing: asyncio.Future[Any]) -> None:
        """Wait until the client has taken what is written. Raise ConnectionResetError if it leaves:
        a stream that is given up does not end what it was writing."""
        self._writing = writing
        try:
            await writing
        except Rejected as exc:
            raise ConnectionResetError("the client has left") from exc

    def _response(self, status: int, headers: RawHeaders) -> Response:
        types = self._js.types
        fields = types.Headers.new()
        for name, value in headers:
            fields.append(name.decode("ascii"), value.decode("latin-1"))
        body: Any = None
        if not self._head_only and status not in WITHOUT_BODY:
            room = types.ByteLengthQueuingStrategy.new(highWaterMark=BUFFER)
            stream = types.TransformStream.new(None, None, room)
            writer: Writer = stream.writable.getWriter()
            writer.closed.then(_ignore, self.leave)
            self._writer = writer
            body = stream.readable
        return types.Response.new(body, status=status, headers=fields)

    # -- the end -----------------------------------------------------------------------------------

    def fail(self, exc: BaseException) -> None:
        """Break the answer off: its reader gets an error. Before its head `response` raises."""
        if not self.response.done():
            self.response.set_exception(exc)
        elif self._writer is not None:
            self._abort(str(exc))

    def _abort(self, reason: str) -> None:
        assert self._writer is not None
        self._writer.abort(self._js.types.TypeError.new(reason)).then(_ignore, _ignore)

    def end(self) -> None:
        """Give back what is held of JavaScript. A body that was not read to its end is given up."""
        if self._signal is not None:
            self._signal.removeEventListener("abort", self._listener)
        self._listener.destroy()
        unread: Any = self._reader
        if unread is None and self._more:
            unread = getattr(self._request, "body", None)
        if unread:
            unread.cancel().then(_ignore, _ignore)
        if not self.response.done():
            self.fail(ConnectionAbortedError("the client has left before its answer began"))
        # What refers to each other in both languages is found by neither collector.
        self._writer = self._writing = self._reader = self._signal = None
        del self._request


def _ignore(_: object) -> None:
    """Do nothing: how this promise ends changes nothing any more."""
