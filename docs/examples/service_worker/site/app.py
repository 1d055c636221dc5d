"""What runs in the service worker: an App as any other, on the Python of the page's own browser."""

import platform
import sys

from anylane import App, Broadcast, Context

app = App()
lines: list[str] = []
news: Broadcast[str] = Broadcast()


@app.get("/about")
async def about(ctx: Context) -> dict[str, str | int]:
    python = platform.python_version()
    return {"python": python, "on": sys.platform, "listening": news.receivers}


@app.get("/lines")
def read(ctx: Context) -> list[str]:
    return lines


@app.post("/lines", status=201)
async def write(ctx: Context) -> str:
    line = await ctx.request.text()
    lines.append(line)
    news.send(line)
    return line


@app.get("/changes")
async def changes(ctx: Context) -> None:
    """Tell each page of what the others write."""
    with news.subscribe() as subscription:
        async with ctx.event_stream(heartbeat=5) as events:
            await events.send(news.receivers, event="hello")
            async for line in subscription:
                await events.send(line, event="line")
