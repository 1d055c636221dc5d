"""FastAPI, with pure ASGI middleware; its own JSON."""

from __future__ import annotations

from typing import Any

import pure_asgi
import setting
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

app = FastAPI(openapi_url=None)
for kind, arguments in reversed(pure_asgi.stack()):
    app.add_middleware(kind, **arguments)


@app.get("/plain", response_class=PlainTextResponse)
async def plain() -> str:
    return setting.PLAIN


@app.get("/json")
async def message() -> dict[str, str]:
    return setting.MESSAGE


@app.get("/users/{id}")
async def user(id: int) -> dict[str, int]:
    return {"id": id}


@app.post("/echo/{id}")
async def echo(id: int, body: dict[str, Any]) -> dict[str, Any]:
    return body


@app.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    return {"received": len(await request.body())}
