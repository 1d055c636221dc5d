"""Falcon's ASGI app, its own middleware, with orjson as its documentation shows."""

from __future__ import annotations

from typing import Any

import falcon.asgi
import falcon.media
import orjson
import setting


class Leave:
    async def process_request(self, req: Any, resp: Any) -> None:
        req.context.user = "bench"


class Answer:
    def __init__(self, name: str = "x-served-by") -> None:
        self.name = name

    async def process_response(self, req: Any, resp: Any, resource: Any, ok: bool) -> None:
        resp.set_header(self.name, "bench")


class Refuse:
    async def process_request(self, req: Any, resp: Any) -> None:
        if req.get_header("x-blocked") is not None:
            raise falcon.HTTPForbidden


class Plain:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = setting.PLAIN


class Message:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.media = setting.MESSAGE


class User:
    async def on_get(self, req: Any, resp: Any, id: int) -> None:
        resp.media = {"id": id}


class Echo:
    async def on_post(self, req: Any, resp: Any, id: int) -> None:
        resp.media = await req.get_media()


class Upload:
    async def on_post(self, req: Any, resp: Any) -> None:
        resp.media = {"received": len(await req.stream.read())}


class Download:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.content_type = "application/octet-stream"
        resp.data = setting.MEGABYTE


middleware = [Leave(), Answer(), Refuse()]
middleware += [Answer(setting.header(n)) for n in range(3, setting.MIDDLEWARE)]
app: Any = falcon.asgi.App(middleware=middleware[: setting.MIDDLEWARE])
handler = falcon.media.JSONHandler(dumps=orjson.dumps, loads=orjson.loads)
app.req_options.media_handlers[falcon.MEDIA_JSON] = handler
app.resp_options.media_handlers[falcon.MEDIA_JSON] = handler
for path, resource in {
    "/plain": Plain(),
    "/json": Message(),
    "/users/{id:int}": User(),
    "/echo/{id:int}": Echo(),
    "/upload": Upload(),
    "/download": Download(),
}.items():
    app.add_route(path, resource)
