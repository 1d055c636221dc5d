"""An App as a CGI program (RFC 3875): one request a process, the head in the environment.

#!/usr/bin/env python3
from cgi_host import serve
from main import app
serve(app)
"""

import asyncio
import os
import sys
from typing import Any

from anylane import App, ServerConfig
from anylane.protocol import RequestHead
from anylane.protocol.channel.message_channel import MessageChannel
from anylane.protocol.channel.outputs import Content, Message, Start
from anylane.protocol.request_head import Fields
from anylane_backends.asgi.embedded import embedded, server_of


class CgiHost:
    """stdin and stdout as the host of a channel."""

    def __init__(self, channel: MessageChannel, size: int) -> None:
        self.channel, self.left = channel, size

    async def receive(self) -> bytes:
        """Return the next piece of the body; a pipe is read in a thread, for it may be slow."""
        if not self.left:
            await asyncio.Event().wait()  # Nothing more comes.
        return await asyncio.to_thread(sys.stdin.buffer.read, min(self.left, 65536))

    def take(self, message: bytes, now: float) -> None:
        """Give it to the channel."""
        self.left = self.left - len(message) if message else 0
        self.channel.receive_body(message, now, more=self.left > 0)

    async def send(self, message: Message) -> None:
        """Write the head as CGI does, or a piece of the body."""
        out = sys.stdout.buffer
        match message:
            case Start(status, headers):
                lines = [b"Status: %d" % status, *(b": ".join(each) for each in headers)]
                out.write(b"\r\n".join([*lines, b"", b""]))
            case Content(data):
                out.write(data)
            case _:  # WebSockets and hints do not come here.
                pass
        out.flush()


def head_of(environ: dict[str, str]) -> RequestHead:
    """Return the request that the web server has put into the environment."""
    query = environ.get("QUERY_STRING", "")
    target = environ.get("PATH_INFO", "") or "/"
    fields = [
        (name[5:].lower().replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    if kind := environ.get("CONTENT_TYPE"):
        fields.append((b"content-type", kind.encode("latin-1")))
    return RequestHead(
        environ.get("REQUEST_METHOD", "GET").encode(),
        (f"{target}?{query}" if query else target).encode(),
        b"1.1",
        Fields(b"", fields),
        content_length=int(environ.get("CONTENT_LENGTH") or 0),
    )


async def answer(app: App, environ: dict[str, str]) -> None:
    """Answer the one request of this process."""
    async with embedded(server_of(app, ServerConfig())) as here:
        head = head_of(environ)
        channel = here.channel(head, peer=(environ.get("REMOTE_ADDR", ""), 0))
        await here.carry(channel, CgiHost(channel, head.content_length or 0))
        await here.drain()


def serve(app: Any) -> None:
    """Do what the web server has started this process for."""
    asyncio.run(answer(app, dict(os.environ)))
