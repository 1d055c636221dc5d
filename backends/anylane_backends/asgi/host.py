"""AsgiHost: an ASGI server as the host of a channel: its messages to ours, and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outputs import (
    Accepted,
    Content,
    Goodbye,
    Hints,
    Message,
    Sent,
    Start,
    Trailers,
)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiHost:
    """The two functions that an ASGI server gives for one exchange.

    websocket: whether the exchange is a WebSocket, so that an answer is a denial of it.
    """

    __slots__ = ("_channel", "_kind", "_last", "_receive", "_send")

    def __init__(
        self, channel: MessageChannel, receive: Receive, send: Send, *, websocket: bool
    ) -> None:
        self._channel = channel
        self._kind = "websocket.http" if websocket else "http"
        self._last = ""
        self._receive = receive
        self._send = send

    async def receive(self) -> MutableMapping[str, Any]:
        """Wait for the next message of the server."""
        return await self._receive()

    def take(self, message: MutableMapping[str, Any], now: float) -> bool:
        """Tell the channel of what has come. Return False if the server has nothing more to say."""
        channel = self._channel
        kind = message["type"]
        if self._last == kind and kind in ("http.request", "websocket.connect"):
            return False  # Behind the whole body, or twice.
        match kind:
            case "http.request":
                if not message.get("more_body"):
                    self._last = kind
                body = bytes(message.get("body") or b"")
                channel.receive_body(body, now, more=bool(message.get("more_body")))
            case "websocket.receive":
                text = message.get("text")
                channel.receive_message(bytes(message["bytes"]) if text is None else text)
            case "websocket.disconnect":
                channel.receive_close(message.get("code") or 1005, message.get("reason") or "")
            case "http.disconnect":
                channel.receive_disconnect()
            case _:  # websocket.connect: what it says is in the scope.
                self._last = kind
        return True

    async def send(self, message: Message) -> None:
        """Give the server one message, and wait until it wants more."""
        await self._send(self._as_asgi(message))

    def _as_asgi(self, message: Message) -> dict[str, Any]:
        match message:
            case Start(status, headers, trailers):
                start: dict[str, Any] = {
                    "type": f"{self._kind}.response.start",
                    "status": status,
                    "headers": headers,
                }
                return {**start, "trailers": True} if trailers else start
            case Content(data, more):
                return {"type": f"{self._kind}.response.body", "body": data, "more_body": more}
            case Trailers(headers):
                return {
                    "type": "http.response.trailers",
                    "headers": headers,
                    "more_trailers": False,
                }
            case Hints(_, headers):
                links = [value for name, value in headers if name == b"link"]
                return {"type": "http.response.early_hint", "links": links}
            case Accepted(subprotocol, headers):
                return {
                    "type": "websocket.accept",
                    "subprotocol": subprotocol,
                    "headers": headers,
                }
            case Sent(str() as text):
                return {"type": "websocket.send", "text": text}
            case Sent(data):
                return {"type": "websocket.send", "bytes": data}
            case Goodbye(code, reason):
                return {"type": "websocket.close", "code": code, "reason": reason}
