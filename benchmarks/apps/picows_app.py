"""picows (Cython) on uvloop."""

from __future__ import annotations

from typing import Any

import setting
import uvloop
from picows import WSCloseCode, WSListener, WSMsgType, WSUpgradeRequest, ws_create_server

people: set[Any] = set()


class Echo(WSListener):
    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code() or WSCloseCode.OK)
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class Room(WSListener):
    def on_ws_connected(self, transport: Any) -> None:
        people.add(transport)

    def on_ws_disconnected(self, transport: Any) -> None:
        people.discard(transport)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code() or WSCloseCode.OK)
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        for other in people:
            other.send(WSMsgType.TEXT, payload)


def listener(request: WSUpgradeRequest) -> WSListener:
    return Room() if request.path == b"/room" else Echo()


async def main() -> None:
    server = await ws_create_server(listener, "127.0.0.1", setting.PORT, backlog=4096)
    async with server:
        await server.serve_forever()


uvloop.run(main())
