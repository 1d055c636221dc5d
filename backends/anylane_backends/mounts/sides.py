"""Our side of a mounted ASGI application: what it receives, and what becomes of what it sends.

Nothing waits here but `send`: `poll` says whether something has come. So the application may run in
the handler's own task or in another loop, and asking for more never holds up an answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from anylane.errors import Disconnected, HTTPError
from anylane.handling.context import Context
from anylane.realtime.source import ENDED, PENDING
from anylane.realtime.websocket import WebSocket

Message = Mapping[str, Any]

_OURS = frozenset(("connection", "transfer-encoding", "date"))
"""What a server makes by itself, so that an application cannot."""


class Side(ABC):
    """One exchange with the application. started: it has begun to answer. ended: it has done so."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._refused: HTTPError | None = None
        self._start: Message | None = None
        self._stream: Any = None
        self.started: bool = False
        self.ended: bool = False

    @property
    def lane(self) -> str:
        """Return the name of the lane that the exchange runs on."""
        return self._ctx.link.host.lane

    @abstractmethod
    def poll(self) -> dict[str, Any] | None:
        """Return the next message for the application, None if there is none yet."""

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Act on a message of the application. Raise OSError once the client is gone, and
        RuntimeError for what may not be sent now."""

    async def end(self) -> None:
        """Take note that the application has ended. Raise RuntimeError if its answer is missing."""
        if self._refused is not None and not self.started:
            raise self._refused
        if not self.started and self._ctx.exchange.gone is None:
            raise RuntimeError("the mounted application returned without an answer")
        if self._stream is not None and not self.ended:
            raise RuntimeError("the mounted application returned before the end of its answer")

    async def _answer(self, message: Message) -> None:
        """Send a piece of the body, with the head before the first one."""
        if self._refused is not None and not self.started:
            raise self._refused  # Whatever it makes of a body that could not be read.
        if self._start is None:
            raise RuntimeError("the mounted application sent a body before the start of its answer")
        if self.ended:
            raise RuntimeError("the mounted application sent more behind the end of its answer")
        data = bytes(message.get("body") or b"")
        more = bool(message.get("more_body") or self._start.get("trailers"))
        if self._stream is None and not more and (data or not self._is_head):
            await self._whole(data)
            return
        if self._stream is None:
            length = self._begin(self._start)
            self._stream = self._ctx.stream(length=length)
            self.started = True
            await self._stream.__aenter__()
        if data:
            await self._stream.write(data)
        if not more:
            await self._finish()

    @property
    def _is_head(self) -> bool:
        """Whether only the head is asked for: an empty body says nothing about its length then."""
        return self._ctx.request.method == "HEAD"

    async def _finish(self) -> None:
        self.ended = True
        await self._stream.__aexit__(None, None, None)

    async def _whole(self, data: bytes) -> None:
        assert self._start is not None
        response = self._ctx.response
        self._begin(self._start)
        if data:
            typed = "content-type" in response.headers
            response.set_body(data)
            if not typed:  # What it did not say is not said for it.
                response.remove_header("content-type")
        self.started = self.ended = True
        await self._ctx.send()

    def _begin(self, start: Message) -> int | None:
        """Put the head of the application's answer on the response, and return its length."""
        response = self._ctx.response
        response.set_status(start["status"])
        length: int | None = None
        for name, value in _text(start.get("headers") or ()):
            if name == "content-length":
                length = int(value)
            elif name not in _OURS:
                response.add_header(name, value)
        return length


class RequestSide(Side):
    """A request."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._read = False

    def poll(self) -> dict[str, Any] | None:
        ctx = self._ctx
        if self.ended or ctx.disconnected:
            return {"type": "http.disconnect"}
        if self._read:
            return None
        try:
            chunk = ctx.request.poll()
        except Disconnected:
            return {"type": "http.disconnect"}
        except HTTPError as exc:
            self._refused = exc
            raise
        if chunk is None:
            return None
        self._read = not chunk
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def send(self, message: Message) -> None:
        try:
            match message["type"]:
                case "http.response.start":
                    if self._start is not None:
                        raise RuntimeError("the mounted application started its answer twice")
                    self._start = message
                case "http.response.body":
                    await self._answer(message)
                case "http.response.trailers" if self._stream is not None and not self.ended:
                    for name, value in _text(message.get("headers") or ()):
                        self._ctx.response.set_trailer(name, value)
                    if not message.get("more_trailers"):
                        await self._finish()
                case "http.response.early_hint":
                    links = [bytes(each).decode("latin-1") for each in message.get("links") or ()]
                    await self._ctx.early_hints(links)
                case kind:
                    raise RuntimeError(f"the mounted application sent {kind!r}, which is unknown")
        except Disconnected as exc:
            raise OSError(f"the client is gone: {exc}") from exc


class WebSocketSide(Side):
    """A WebSocket, or the answer with which its handshake is refused."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._ws: WebSocket | None = None
        self._connected = False

    def poll(self) -> dict[str, Any] | None:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._ws is None:
            gone = self._ctx.disconnected
            return {"type": "websocket.disconnect", "code": 1006, "reason": ""} if gone else None
        message = self._ws.poll()
        if message is PENDING:
            return None
        if message is ENDED:
            code = self._ws.close_code
            reason = self._ws.close_reason
            return {"type": "websocket.disconnect", "code": code or 1005, "reason": reason}
        kind = "text" if isinstance(message, str) else "bytes"
        return {"type": "websocket.receive", kind: message}

    async def send(self, message: Message) -> None:
        ctx, ws = self._ctx, self._ws
        undecided = not self.started and self._start is None
        try:
            match message["type"]:
                case "websocket.accept" if undecided:
                    self.started = True
                    headers = _text(message.get("headers") or ())
                    self._ws = await ctx.accept(message.get("subprotocol"), headers)
                case "websocket.send" if ws is not None:
                    text = message.get("text")
                    await ws.send(bytes(message["bytes"]) if text is None else text)
                case "websocket.close" if ws is not None:
                    await ws.close(message.get("code") or 1000, message.get("reason") or "")
                case "websocket.close" if undecided:
                    self._start = {"status": 403}
                    await self._whole(b"")
                case "websocket.http.response.start" if undecided:
                    self._start = message
                case "websocket.http.response.body":
                    await self._answer(message)
                case kind:
                    raise RuntimeError(f"the mounted application sent {kind!r}, out of its turn")
        except Disconnected as exc:
            raise OSError(f"the client is gone: {exc}") from exc


def _text(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [
        (bytes(name).decode("latin-1").lower(), bytes(value).decode("latin-1"))
        for name, value in headers
    ]
