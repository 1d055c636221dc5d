"""RSGI, granian's own interface."""

from __future__ import annotations

from typing import Any

import orjson
import setting

TEXT = [("content-type", "text/plain; charset=utf-8")]
JSON = [("content-type", "application/json")]
BYTES = [("content-type", "application/octet-stream")]


async def websocket(protocol: Any) -> None:
    transport = await protocol.accept()
    while True:
        message = await transport.receive()
        if message.kind == 0:
            return
        if message.kind == 1:
            await transport.send_bytes(message.data)
        else:
            await transport.send_str(message.data)


async def app(scope: Any, protocol: Any) -> None:
    if scope.proto == "ws":
        await websocket(protocol)
        return
    path = scope.path
    if path == "/plain":
        protocol.response_str(200, TEXT, setting.PLAIN)
    elif path == "/json":
        protocol.response_bytes(200, JSON, orjson.dumps(setting.MESSAGE))
    elif path == "/upload":
        body = await protocol()
        protocol.response_bytes(200, JSON, orjson.dumps({"received": len(body)}))
    elif path == "/download":
        protocol.response_bytes(200, BYTES, setting.MEGABYTE)
    else:
        protocol.response_empty(404, [])
