"""anylane: the same app on every backend."""

from __future__ import annotations

from typing import Any

import orjson
import setting

from anylane import App, Broadcast, Context, HTTPError

app = App()
room = Broadcast(capacity=4096)
events_room = Broadcast(capacity=4096)


def around(number: int) -> Any:
    async def leave(ctx: Context, call_next: Any) -> None:
        ctx.state.user = "bench"
        await call_next()

    async def answer(ctx: Context, call_next: Any) -> None:
        await call_next()
        ctx.response.set_header("x-served-by", "bench")

    async def refuse(ctx: Context, call_next: Any) -> None:
        if ctx.request.headers.get("x-blocked") is not None:
            raise HTTPError(403)
        await call_next()

    async def more(ctx: Context, call_next: Any) -> None:
        await call_next()
        ctx.response.set_header(setting.header(number), "1")

    return (leave, answer, refuse)[number] if number < 3 else more


for n in range(setting.MIDDLEWARE):
    app.middleware(order=n)(around(n))


@app.get("/plain")
async def plain(ctx: Context) -> str:
    return setting.PLAIN


@app.get("/json")
async def message(ctx: Context) -> dict[str, str]:
    return setting.MESSAGE


@app.get("/users/{id:int}")
async def user(ctx: Context) -> dict[str, Any]:
    return {"id": ctx.params["id"]}


@app.post("/echo/{id:int}")
async def echo(ctx: Context) -> Any:
    return await ctx.request.json()


@app.post("/upload")
async def upload(ctx: Context) -> dict[str, int]:
    return {"received": len(await ctx.request.body())}


@app.get("/download")
async def download(ctx: Context) -> bytes:
    return setting.MEGABYTE


@app.websocket("/ws")
async def websocket(ctx: Context) -> None:
    ws = await ctx.accept()
    async for text in ws:
        await ws.send(text)


@app.websocket("/room")
async def join(ctx: Context) -> None:
    ws = await ctx.accept()
    async with ws.relay(room):
        async for text in ws:
            room.send(text)


@app.get("/events")
async def events(ctx: Context) -> None:
    with events_room.subscribe() as subscription:
        async with ctx.event_stream() as stream:
            await stream.relay(subscription)


@app.post("/publish")
async def publish(ctx: Context) -> dict[str, int]:
    # Encoded once for all, as in the apps of the others.
    return {"sent": events_room.send(orjson.dumps(setting.EVENT).decode())}


async def unused(ctx: Context) -> None:
    raise AssertionError("nobody asks for it")


for n in range(setting.ROUTES):
    app.get(setting.extra(n))(unused)
