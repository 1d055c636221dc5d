"""BlackSheep, its own middleware, with orjson as its documentation shows."""

from __future__ import annotations

from typing import Any

import orjson
import setting
from blacksheep import Application, Content, Request, Response, json, text
from blacksheep.settings.json import json_settings

json_settings.use(loads=orjson.loads, dumps=lambda value: orjson.dumps(value).decode())
app = Application()


def around(number: int) -> Any:
    async def leave(request: Request, handler: Any) -> Response:
        request.scope.setdefault("state", {})["user"] = "bench"
        return await handler(request)

    async def answer(request: Request, handler: Any) -> Response:
        response = await handler(request)
        response.headers.add(b"x-served-by", b"bench")
        return response

    async def refuse(request: Request, handler: Any) -> Response:
        if request.headers.get_first(b"x-blocked") is not None:
            return Response(403)
        return await handler(request)

    async def more(request: Request, handler: Any) -> Response:
        response = await handler(request)
        response.headers.add(setting.header(number).encode(), b"1")
        return response

    return (leave, answer, refuse)[number] if number < 3 else more


app.middlewares.extend(around(n) for n in range(setting.MIDDLEWARE))
get: Any = app.router.get
post: Any = app.router.post


@get("/plain")
async def plain(request: Request) -> Response:
    return text(setting.PLAIN)


@get("/json")
async def message(request: Request) -> Response:
    return json(setting.MESSAGE)


@get("/users/{id}")
async def user(request: Request) -> Response:
    return json({"id": int(request.route_values["id"])})


@post("/echo/{id}")
async def echo(request: Request) -> Response:
    return json(await request.json())


@post("/upload")
async def upload(request: Request) -> Response:
    return json({"received": len(await request.read() or b"")})


@get("/download")
async def download(request: Request) -> Response:
    return Response(200, content=Content(b"application/octet-stream", setting.MEGABYTE))
