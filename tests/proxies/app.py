"""What the servers behind the proxies serve."""

from __future__ import annotations

import os
import time
from typing import Any

from anylane import App, Context

app = App()
left: list[str] = []


@app.get("/whose")
async def whose(ctx: Context) -> dict[str, Any]:
    request = ctx.request
    proxy = request.proxy
    return {
        "client": request.client,
        "scheme": request.scheme,
        "host": request.host,
        "path": request.path,
        "root": request.root_path,
        "here": ctx.path_for("whose"),
        "version": None if proxy is None else proxy.version,
        "tls": None if proxy is None or proxy.tls is None else proxy.tls.version,
        "pid": os.getpid(),
    }


@app.post("/size", body_limit=1 << 30)
async def size(ctx: Context) -> dict[str, Any]:
    began, first, total = time.monotonic(), 0.0, 0
    async for piece in ctx.request.stream():
        first = first or time.monotonic() - began
        total += len(piece)
    return {"size": total, "first": first}


@app.post("/echo")
async def echo(ctx: Context) -> bytes:
    return await ctx.request.body()


@app.websocket("/ws")
async def socket(ctx: Context) -> None:
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message)


@app.get("/events")
async def events(ctx: Context) -> None:
    async with ctx.event_stream() as stream:
        for number in range(3):
            await stream.send(str(number))
            await ctx.sleep(0.2)


@app.get("/endless")
async def endless(ctx: Context) -> None:
    try:
        async with ctx.event_stream() as stream:
            while True:
                await stream.send("on")
                await ctx.sleep(0.05)
    finally:
        left.append("endless")


@app.get("/left")
async def who_left(ctx: Context) -> list[str]:
    return left
