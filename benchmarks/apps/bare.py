"""The reference: a uvloop Protocol that writes a constant for each request, and nothing else.

It counts the ends of heads and nothing else, so it answers any GET, and pipelined ones.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import setting
import uvloop

BODY = setting.PLAIN.encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nserver: bare\r\ndate: Mon, 23 Nov 2026 00:00:00 GMT\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n\r\n" % len(BODY)
) + BODY


class Bare(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))
        if b"\r\nConnection: close" in data:
            self.transport.close()


async def main() -> None:
    tls = None
    if setting.CERT:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(setting.CERT, setting.KEY)
    server = await asyncio.get_running_loop().create_server(
        Bare, "127.0.0.1", setting.PORT, backlog=4096, ssl=tls
    )
    await server.serve_forever()


uvloop.run(main())
