"""websockets on uvloop; no compression, for the clients offer none."""

from __future__ import annotations

from typing import Any

import setting
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

people: set[Any] = set()


async def handler(ws: ServerConnection) -> None:
    if ws.request is not None and ws.request.path == "/room":
        people.add(ws)
        try:
            async for item in ws:
                broadcast(people, item)
        finally:
            people.discard(ws)
        return
    async for item in ws:
        await ws.send(item)


async def main() -> None:
    async with serve(
        handler, "127.0.0.1", setting.PORT, compression=None, ping_interval=None, backlog=4096
    ) as server:
        await server.serve_forever()


uvloop.run(main())
