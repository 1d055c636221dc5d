"""Starlette, with orjson and pure ASGI middleware."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pure_asgi
import setting
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


class Json(JSONResponse):
    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


async def plain(request: Request) -> Response:
    return PlainTextResponse(setting.PLAIN)


async def message(request: Request) -> Response:
    return Json(setting.MESSAGE)


async def user(request: Request) -> Response:
    return Json({"id": request.path_params["id"]})


async def echo(request: Request) -> Response:
    return Json(orjson.loads(await request.body()))


async def upload(request: Request) -> Response:
    return Json({"received": len(await request.body())})


async def download(request: Request) -> Response:
    return Response(setting.MEGABYTE, media_type="application/octet-stream")


async def websocket(ws: WebSocket) -> None:
    await ws.accept()
    try:
        while True:
            event = await ws.receive()
            if event["type"] != "websocket.receive":
                return
            text = event.get("text")
            await (ws.send_text(text) if text is not None else ws.send_bytes(event["bytes"]))
    except WebSocketDisconnect:
        pass


people: set[WebSocket] = set()


async def room(ws: WebSocket) -> None:
    await ws.accept()
    people.add(ws)
    try:
        while True:
            text = await ws.receive_text()
            await asyncio.gather(*(other.send_text(text) for other in people))
    except (WebSocketDisconnect, RuntimeError, KeyError):
        pass
    finally:
        people.discard(ws)


queues: set[asyncio.Queue[bytes]] = set()


async def events(request: Request) -> Response:
    async def stream() -> Any:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.add(queue)
        try:
            yield b": ready\n\n"
            while True:
                yield b"data: " + await queue.get() + b"\n\n"
        finally:
            queues.discard(queue)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def publish(request: Request) -> Response:
    data = orjson.dumps(setting.EVENT)
    for queue in queues:
        queue.put_nowait(data)
    return Json({"sent": len(queues)})


app = Starlette(
    routes=[
        *(Route(setting.extra(n), plain) for n in range(setting.ROUTES)),
        Route("/plain", plain),
        Route("/json", message),
        Route("/users/{id:int}", user),
        Route("/echo/{id:int}", echo, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/download", download),
        Route("/events", events),
        Route("/publish", publish, methods=["POST"]),
        WebSocketRoute("/ws", websocket),
        WebSocketRoute("/room", room),
    ],
    middleware=[Middleware(kind, **arguments) for kind, arguments in pure_asgi.stack()],
)
