"""The same small service as an App, for other servers to serve: `tests.neighbours.service:app`."""

from __future__ import annotations

from typing import Any

from anylane import App, Context, HTTPError

app = App()


@app.on_startup
def begin() -> None:
    app.state.life = "begun"


@app.response_middleware
async def seen_by_a_hook(ctx: Context) -> None:
    ctx.response.set_header("x-seen", str(ctx.response.status))


@app.get("/seen")
async def seen(ctx: Context) -> dict[str, Any]:
    request = ctx.request
    return {
        "path": request.path,
        "query": request.query_string,
        "host": request.host,
        "cookie": request.cookies.get("c"),
        "life": ctx.app.state.life,
    }


@app.post("/json", status=201)
async def read(ctx: Context) -> Any:
    return await ctx.request.json()


@app.post("/form")
def form(ctx: Context) -> dict[str, Any]:
    fields = ctx.call(ctx.request.form)
    shown = {}
    for name in ("a", "b", "file"):
        value = fields.get(name)
        shown[name] = value if isinstance(value, str | None) else value.file.read().decode()
    return shown


@app.post("/echo")
async def echo(ctx: Context) -> str:
    size = 0
    async for piece in ctx.request.stream():
        size += len(piece)
    return str(size)


@app.get("/stream")
async def stream(ctx: Context) -> None:
    async with ctx.stream() as out:
        for piece in ("one\n", "two\n"):
            await out.write(piece)


@app.get("/events")
async def events(ctx: Context) -> None:
    async with ctx.event_stream() as stream:
        for number in (1, 2):
            await stream.send(number, id=str(number))


@app.get("/cookies")
def cookies(ctx: Context) -> str:
    ctx.response.set_cookie("a", "1").set_cookie("b", "2")
    return "cookies"


@app.get("/fails")
async def fails(ctx: Context) -> None:
    raise ValueError("the app's own")


@app.get("/gone/{number:int}")
async def gone(ctx: Context) -> None:
    raise HTTPError(410, f"{ctx.params['number']} is gone")


@app.websocket("/ws", subprotocols=["chat"])
async def talk(ctx: Context) -> None:
    ws = await ctx.accept()
    async for text in ws:
        if text == "close":
            await ws.close(4001, "asked to")
            return
        assert isinstance(text, str)
        await ws.send(text.upper())
        await ws.send(text.encode())
