"""An App as a function of AWS Lambda, behind an HTTP API or a function URL (payload version 2.0).

from lambda_host import handler_of
from main import app
handler = handler_of(app)
"""

import asyncio
import base64
from contextlib import AsyncExitStack
from typing import Any

from anylane import App, ServerConfig
from anylane.protocol import RequestHead
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outputs import Content, Message, Start
from anylane.protocol.request_head import Fields
from anylane_backends.asgi.embedded import Embedded, embedded, server_of

Event = dict[str, Any]


class LambdaHost:
    """One event as the host of a channel. The answer is kept, because it leaves as a whole."""

    def __init__(self, channel: MessageChannel, body: bytes) -> None:
        self.channel = channel
        self.body: bytes | None = body
        self.start = Start(500, [])
        self.content = b""

    async def receive(self) -> bytes:
        """Return the body, once."""
        if self.body is None:
            await asyncio.Event().wait()  # A client that leaves is not told here.
        body, self.body = self.body or b"", None
        return body

    def take(self, message: bytes, now: float) -> None:
        """Give it to the channel."""
        self.channel.receive_body(message, now, more=False)

    async def send(self, message: Message) -> None:
        """Keep a part of the answer."""
        match message:
            case Start():
                self.start = message
            case Content(data):
                self.content += data
            case _:  # WebSockets and hints do not come here.
                pass

    def result(self) -> dict[str, Any]:
        """Return the answer as Lambda wants it: cookies apart, the body as text."""
        fields = [(name.decode(), value.decode("latin-1")) for name, value in self.start.headers]
        return {
            "statusCode": self.start.status,
            "headers": {name: value for name, value in fields if name != "set-cookie"},
            "cookies": [value for name, value in fields if name == "set-cookie"],
            "body": base64.b64encode(self.content).decode(),
            "isBase64Encoded": True,
        }


def head_of(event: Event, size: int) -> RequestHead:
    """Return the request in an event."""
    http = event["requestContext"]["http"]
    query = event.get("rawQueryString", "")
    target = event["rawPath"] + (f"?{query}" if query else "")
    fields = [(name.lower().encode(), value.encode()) for name, value in event["headers"].items()]
    if cookies := event.get("cookies"):
        fields.append((b"cookie", "; ".join(cookies).encode()))
    return RequestHead(
        http["method"].encode(), target.encode(), b"1.1", Fields(b"", fields), content_length=size
    )


async def answer(here: Embedded, event: Event) -> dict[str, Any]:
    """Return what Lambda is to answer to an event."""
    body = event.get("body") or ""
    data = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    client = event["requestContext"]["http"].get("sourceIp", "")
    channel = here.channel(head_of(event, len(data)), peer=(client, 0))
    host = LambdaHost(channel, data)
    await here.carry(channel, host)
    return host.result()


class LambdaHandler:
    """A function for Lambda. The app's life begins with the first event, and ends with `close`,
    which Lambda itself never calls."""

    def __init__(self, app: App, config: ServerConfig | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._life = AsyncExitStack()
        self._app, self._config = app, config or ServerConfig()
        self._here: Embedded | None = None

    def __call__(self, event: Event, _context: Any = None) -> dict[str, Any]:
        return self._loop.run_until_complete(self._serve(event))

    async def _serve(self, event: Event) -> dict[str, Any]:
        if self._here is None:
            server = server_of(self._app, self._config)
            self._here = await self._life.enter_async_context(embedded(server))
        return await answer(self._here, event)

    def close(self) -> None:
        """Run the shutdown hooks."""
        self._loop.run_until_complete(self._life.aclose())
        self._loop.close()
