"""The server that attacks.py attacks: python attacked.py BACKEND SETTINGS, a process of its own.

SETTINGS is JSON: fields of ServerConfig, with "limits" and "timeouts" inside. A field that this
version does not know is left out, so that one script can compare two versions. It prints its port.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import resource
import sys
from typing import Any

from anylane import App, Context, Limits, ServerConfig, Timeouts

LARGE = 20_000_000
"""Bytes of the large answer. Each request makes one of its own."""

app = App()
running: dict[str, int] = {}
"""How many handlers of a path are running."""
begun: dict[str, int] = {}
"""How many have begun."""


@app.middleware()
async def counted(ctx: Context, call_next: Any) -> None:
    path = ctx.request.path
    begun[path] = begun.get(path, 0) + 1
    running[path] = running.get(path, 0) + 1
    try:
        await call_next()
    finally:
        running[path] -= 1


@app.get("/")
async def home(ctx: Context) -> str:
    return "here"


@app.get("/figures")
async def figures(ctx: Context) -> dict[str, Any]:
    return {"running": running, "begun": begun}


@app.get("/large")
async def large(ctx: Context) -> bytes:
    return b"x" * LARGE


@app.post("/body")
async def body(ctx: Context) -> dict[str, int]:
    return {"bytes": len(await ctx.request.body())}


@app.post("/deaf")
async def deaf(ctx: Context) -> None:
    await ctx.sleep(3600)


@app.post("/form")
async def form(ctx: Context) -> dict[str, int]:
    return {"fields": len(list(await ctx.request.form()))}


@app.get("/cookies")
async def cookies(ctx: Context) -> dict[str, int]:
    return {"cookies": len(ctx.request.cookies)}


@app.get("/quiet")
async def quiet(ctx: Context) -> None:
    """A stream that says one thing and then waits."""
    async with ctx.stream() as out:
        await out.write(b"begun\n")
        await ctx.sleep(3600)


@app.websocket("/echo")
async def echo(ctx: Context) -> None:
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message)


@app.websocket("/deaf-socket")
async def deaf_socket(ctx: Context) -> None:
    """It receives nothing, for a while longer than any attack takes."""
    await ctx.accept()
    await ctx.sleep(3600)


@app.websocket("/foreign")
async def foreign(ctx: Context) -> None:
    """It waits for something that is not ours, where there is a loop that has such."""
    await ctx.accept()
    if sys.argv[1] in ("asyncio", "uvloop", "anyio"):
        await asyncio.Event().wait()
    else:
        await ctx.sleep(3600)


@app.websocket("/talk")
async def talk(ctx: Context) -> None:
    """It sends as fast as its client reads."""
    ws = await ctx.accept()
    while True:
        await ws.send("x" * 60_000)


def known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def main() -> None:
    backend, settings = sys.argv[1], json.loads(sys.argv[2])
    bound = settings.pop("memory")
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    limits = Limits(**known(Limits, settings.pop("limits", {})))
    timeouts = Timeouts(**known(Timeouts, settings.pop("timeouts", {})))
    config = known(ServerConfig, settings)
    app.run(backend=backend, port=0, limits=limits, timeouts=timeouts, **config)


if __name__ == "__main__":
    main()
