"""aiohttp's own server on uvloop, with orjson."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import orjson
import setting
import uvloop
from aiohttp import WSMsgType, web


def around(number: int) -> Any:
    @web.middleware
    async def leave(request: web.Request, handler: Any) -> Any:
        request["user"] = "bench"
        return await handler(request)

    @web.middleware
    async def answer(request: web.Request, handler: Any) -> Any:
        response = await handler(request)
        response.headers["x-served-by"] = "bench"
        return response

    @web.middleware
    async def refuse(request: web.Request, handler: Any) -> Any:
        if "x-blocked" in request.headers:
            return web.Response(status=403)
        return await handler(request)

    @web.middleware
    async def more(request: web.Request, handler: Any) -> Any:
        response = await handler(request)
        response.headers[setting.header(number)] = "1"
        return response

    return (leave, answer, refuse)[number] if number < 3 else more


def json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


async def plain(request: web.Request) -> web.Response:
    return web.Response(text=setting.PLAIN)


async def message(request: web.Request) -> web.Response:
    return json(setting.MESSAGE)


async def user(request: web.Request) -> web.Response:
    return json({"id": int(request.match_info["id"])})


async def echo(request: web.Request) -> web.Response:
    return json(orjson.loads(await request.read()))


async def upload(request: web.Request) -> web.Response:
    return json({"received": len(await request.read())})


async def download(request: web.Request) -> web.Response:
    return web.Response(body=setting.MEGABYTE, content_type="application/octet-stream")


async def websocket(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for item in ws:
        if item.type is WSMsgType.TEXT:
            await ws.send_str(item.data)
        elif item.type is WSMsgType.BINARY:
            await ws.send_bytes(item.data)
    return ws


people: set[web.WebSocketResponse] = set()


async def room(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    people.add(ws)
    try:
        async for item in ws:
            if item.type is WSMsgType.TEXT:
                await asyncio.gather(*(other.send_str(item.data) for other in people))
    finally:
        people.discard(ws)
    return ws


queues: set[asyncio.Queue[bytes]] = set()


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    await response.prepare(request)
    queues.add(queue)
    try:
        await response.write(b": ready\n\n")
        while True:
            await response.write(b"data: " + await queue.get() + b"\n\n")
    except ConnectionError:
        pass
    finally:
        queues.discard(queue)
    return response


async def publish(request: web.Request) -> web.Response:
    data = orjson.dumps(setting.EVENT)
    for queue in queues:
        queue.put_nowait(data)
    return json({"sent": len(queues)})


app = web.Application(
    middlewares=[around(n) for n in range(setting.MIDDLEWARE)], client_max_size=1 << 22
)
app.add_routes(
    [
        *(web.get(setting.extra(n), plain) for n in range(setting.ROUTES)),
        web.get("/plain", plain),
        web.get("/json", message),
        web.get(r"/users/{id:\d+}", user),
        web.post(r"/echo/{id:\d+}", echo),
        web.post("/upload", upload),
        web.get("/download", download),
        web.get("/ws", websocket),
        web.get("/room", room),
        web.get("/events", events),
        web.post("/publish", publish),
    ]
)

if __name__ == "__main__":
    tls = None
    if setting.CERT:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(setting.CERT, setting.KEY)
    web.run_app(
        app,
        host="127.0.0.1",
        port=setting.PORT,
        access_log=None,
        print=lambda *_: None,
        loop=uvloop.new_event_loop(),
        keepalive_timeout=setting.IDLE,
        handler_cancellation=True,  # Else who has left an event stream stays until the next event.
        backlog=4096,
        ssl_context=tls,
    )
