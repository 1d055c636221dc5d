"""One app, unchanged on every host of docs/hosts.md."""

import importlib

from anylane import App, Broadcast, Context

app = App()
room: Broadcast[str] = Broadcast()


@app.on_startup
async def begin() -> None:
    app.state.seen = ["begun"]


@app.response_middleware()
async def sign(ctx: Context) -> None:
    ctx.response.set_header("x-app", "one")


@app.get("/hello/{name}")
async def hello(ctx: Context, name: str) -> dict[str, str]:
    return {"hello": name}


@app.get("/def")
def plain(ctx: Context) -> str:
    return "done"


@app.post("/count")
async def count(ctx: Context) -> dict[str, int]:
    return {"bytes": sum([len(piece) async for piece in ctx.request.stream()])}


@app.get("/lines")
async def lines(ctx: Context) -> None:
    async with ctx.stream() as out:
        for number in range(1000):
            await out.write(f"line {number}\n")


@app.get("/events")
async def events(ctx: Context) -> None:
    async with ctx.event_stream() as stream:
        for number in range(3):
            await stream.send(number)


@app.get("/slow", timeout=0.2)
async def slow(ctx: Context) -> None:
    await ctx.sleep(60)


@app.get("/seen")
async def seen(ctx: Context) -> list[str]:
    return list(app.state.seen)


@app.post("/later")
async def later(ctx: Context) -> str:
    ctx.background(app.state.seen.append, "later")
    return "soon"


@app.get("/endless")
async def endless(ctx: Context) -> None:
    try:
        async with ctx.stream() as out:
            while True:
                await out.write("tick\n")
                await ctx.sleep(0.02)
    finally:
        app.state.seen.append("left")


@app.get("/await/{library}")
async def awaits(ctx: Context, library: str) -> str:
    """Await something of an event loop's own library."""
    await importlib.import_module(library).sleep(0.001)
    return "awaited"


@app.websocket("/echo")
async def echo(ctx: Context) -> None:
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message)


@app.get("/room")
async def listen(ctx: Context) -> None:
    with room.subscribe() as news:
        async with ctx.event_stream() as stream:
            await stream.send("here")
            async for each in news:
                await stream.send(each)


@app.post("/room")
async def tell(ctx: Context) -> int:
    return room.send(await ctx.request.text())
