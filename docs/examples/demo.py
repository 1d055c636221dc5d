"""The demo: the notes, a chat, live metrics and a few small handlers behind one start page.

    python docs/examples/demo.py --backend asyncio|uvloop|anyio|trio|curio|threads --workers 2

The same app on every backend; no handler of it knows which. Several workers are one chat and one
board of notes through a Valkey server: that of --broker, or one of the demo's own.
"""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import chat
import live_metrics
import notes
from broker import broker
from web import show, web

import anylane
from anylane import App, Context, Response

about = {
    "backend": os.environ.get("DEMO_BACKEND", "none"),
    "anylane": anylane.__version__,
    "python": platform.python_version(),
}

app = App()
app.include(web)
chat.add_to(app)
app.include(live_metrics.metrics)
app.mount("/notes", notes.app, name="notes")
app.lifespan(live_metrics.sampling)


@app.get("/")
async def page(ctx: Context) -> Response:
    return show("index.html")


@app.get("/about")
async def tell(ctx: Context) -> dict[str, str]:
    return about


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


def run_workers(options: argparse.Namespace) -> int:
    """Serve with several workers; return the exit code of their supervisor."""
    here = Path(__file__).parent
    command = [sys.executable, "-m", "anylane", "run", "demo:app", "--app-dir", str(here)]
    for name in ("backend", "host", "port", "workers"):
        command += [f"--{name}", str(getattr(options, name))]
    with broker("valkey") if options.broker is None else nullcontext(options.broker) as url:
        shared = {"CHAT_BROKER": url, "NOTES_BROKER": url, "DEMO_BACKEND": options.backend,
                  "NOTES_SECRET": secrets.token_urlsafe(64)}  # fmt: skip
        with subprocess.Popen(command, env={**shared, **os.environ}) as process:
            signal.signal(signal.SIGTERM, lambda *_: process.terminate())
            signal.signal(signal.SIGINT, lambda *_: None)  # The supervisor gets it, too.
            return process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="asyncio")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two samples")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--broker", help="the URL of a Valkey server for several workers")
    options = parser.parse_args()
    live_metrics.INTERVAL = options.interval
    about["backend"] = options.backend
    with tempfile.TemporaryDirectory(prefix="anylane-demo-") as folder:
        os.environ.setdefault("NOTES_FILE", str(Path(folder) / "notes.sqlite3"))
        if options.workers > 1 or options.broker:
            sys.exit(run_workers(options))
        app.run(backend=options.backend, host=options.host, port=options.port)
