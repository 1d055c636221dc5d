"""Robyn (Rust): one process, one worker."""

from __future__ import annotations

from typing import Any

import orjson
import setting
from robyn import Headers, Request, Response, Robyn

app = Robyn(__file__)


def respond(body: Any, kind: str = "application/json") -> Response:
    return Response(status_code=200, headers=Headers({"content-type": kind}), description=body)


@app.get("/plain")
async def plain(request: Request) -> Response:
    return respond(setting.PLAIN, "text/plain; charset=utf-8")


@app.get("/json")
async def message(request: Request) -> Response:
    return respond(orjson.dumps(setting.MESSAGE))


@app.get("/users/:id")
async def user(request: Request) -> Response:
    return respond(orjson.dumps({"id": int(request.path_params["id"])}))


@app.post("/echo/:id")
async def echo(request: Request) -> Response:
    return respond(orjson.dumps(orjson.loads(request.body)))


@app.post("/upload")
async def upload(request: Request) -> Response:
    return respond(orjson.dumps({"received": len(request.body)}))


@app.get("/download")
async def download(request: Request) -> Response:
    return respond(setting.MEGABYTE, "application/octet-stream")


if setting.MIDDLEWARE:

    @app.before_request()
    async def leave(request: Request) -> Request:
        request.headers.set("x-user", "bench")
        return request

    @app.after_request()
    async def answer(response: Response) -> Response:
        response.headers.set("x-served-by", "bench")
        return response

    @app.before_request()
    async def refuse(request: Request) -> Request | Response:
        if request.headers.get("x-blocked") is not None:
            return Response(status_code=403, headers=Headers({}), description="")
        return request


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=setting.PORT)
