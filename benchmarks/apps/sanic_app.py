"""Sanic's own server on uvloop, in one process, with orjson. Its middleware are hooks."""

from __future__ import annotations

from typing import Any

import orjson
import setting
from sanic import Request, Sanic
from sanic.response import HTTPResponse, json, raw, text

app: Any = Sanic("bench", dumps=orjson.dumps, loads=orjson.loads)
app.config.KEEP_ALIVE_TIMEOUT = setting.IDLE
app.config.ACCESS_LOG = False
app.config.MOTD = False


def around(number: int) -> None:
    async def leave(request: Request) -> None:
        request.ctx.user = "bench"

    async def answer(request: Request, response: HTTPResponse) -> None:
        response.headers["x-served-by"] = "bench"

    async def refuse(request: Request) -> HTTPResponse | None:
        return text("", status=403) if "x-blocked" in request.headers else None

    async def more(request: Request, response: HTTPResponse) -> None:
        response.headers[setting.header(number)] = "1"

    handler: Any = (leave, answer, refuse)[number] if number < 3 else more
    app.register_middleware(handler, "request" if handler in (leave, refuse) else "response")


for n in range(setting.MIDDLEWARE):
    around(n)


@app.get("/plain")
async def plain(request: Request) -> HTTPResponse:
    return text(setting.PLAIN)


@app.get("/json")
async def message(request: Request) -> HTTPResponse:
    return json(setting.MESSAGE)


@app.get("/users/<id:int>")
async def user(request: Request, id: int) -> HTTPResponse:
    return json({"id": id})


@app.post("/echo/<id:int>")
async def echo(request: Request, id: int) -> HTTPResponse:
    return json(request.json)


@app.post("/upload")
async def upload(request: Request) -> HTTPResponse:
    return json({"received": len(request.body)})


@app.get("/download")
async def download(request: Request) -> HTTPResponse:
    return raw(setting.MEGABYTE)


@app.websocket("/ws")
async def websocket(request: Request, ws: Any) -> None:
    async for item in ws:
        await ws.send(item)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=setting.PORT, single_process=True, access_log=False, motd=False)
