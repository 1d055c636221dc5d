"""Starlette with the first BENCH_MIDDLEWARE of ten middleware: its own where it has one."""

from __future__ import annotations

from typing import Any

import orjson
import parts_asgi
import setting
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Json(JSONResponse):
    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


async def user(request: Request) -> Response:
    return Json({"id": request.path_params["id"]})


MIDDLEWARE = [
    Middleware(parts_asgi.RequestId),
    Middleware(parts_asgi.SecurityHeaders),
    Middleware(CORSMiddleware, allow_origins=[setting.PAGE]),
    Middleware(parts_asgi.ServerTiming),
    Middleware(parts_asgi.AccessLog),
    Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1"]),
    Middleware(GZipMiddleware, minimum_size=500),
    Middleware(parts_asgi.ETags),
    Middleware(SessionMiddleware, secret_key=setting.SECRET),
    Middleware(parts_asgi.RateLimit, rate=setting.MANY),
]

app = Starlette(
    routes=[Route("/users/{id:int}", user)], middleware=MIDDLEWARE[: setting.MIDDLEWARE]
)
