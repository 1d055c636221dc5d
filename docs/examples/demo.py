"""The demo: JSON, a stream, a WebSocket, a chat room and a page that shows them.

    python docs/examples/demo.py --backend asyncio|uvloop|anyio|trio|curio|threads

The same app on every backend; no line of it knows which.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from anylane import App, Broadcast, Context

app = App()
room: Broadcast[str] = Broadcast()
PAGE = Path(__file__).with_name("demo.html").read_text(encoding="utf-8")


@app.get("/")
async def page(ctx: Context) -> None:
    ctx.response.set_html(PAGE)


@app.get("/hello/{name}")
async def hello(ctx: Context) -> dict[str, str]:
    return {"message": f"Hello, {ctx.params['name']}!"}


@app.post("/echo")
async def echo_json(ctx: Context) -> object:
    return {"you sent": await ctx.request.json()}


@app.get("/squares/{n:int}")
def squares(ctx: Context) -> list[int]:
    """A plain function: it runs in a thread where the lane has an event loop."""
    return [number * number for number in range(ctx.params["n"])]


@app.get("/count/{n:int}")
async def count(ctx: Context) -> None:
    """A streamed response of unknown length, a line a second."""
    ctx.response.set_header("content-type", "text/plain; charset=utf-8")
    async with ctx.stream() as out:
        for number in range(ctx.params["n"]):
            await out.write(f"{number}\n")
            await ctx.sleep(1)


@app.websocket("/ws")
async def echo(ctx: Context) -> None:
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message)


@app.websocket("/chat")
async def chat(ctx: Context) -> None:
    """Everything that anybody says goes to everybody; one handler, no task."""
    with room.subscribe() as subscription:
        ws = await ctx.accept()
        async for source, item in ctx.select(ws, subscription):
            if source is ws:
                room.send(item)
            else:
                await ws.send(item)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="asyncio")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    app.run(backend=options.backend, host=options.host, port=options.port)
