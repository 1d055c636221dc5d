"""Live metrics: this process's CPU and memory as server-sent events. On every backend, unchanged.

    pip install psutil
    anylane run --app-dir docs/examples live_metrics:app --backend curio

Then open http://127.0.0.1:8000/metrics.
"""

from __future__ import annotations

import platform
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic, time
from typing import Any

import psutil
from web import show, web

from anylane import App, Broadcast, Context, EventLog, HTTPError, Response, Router

INTERVAL = 1.0  # seconds between two samples
SHOWN = 120  # samples for a page that is opened
KEPT = 600  # samples for one that comes again: ten minutes
WORK = 2.0  # seconds of the button

metrics = Router()
log = EventLog(KEPT)
cuts: Broadcast[None] = Broadcast()
process = psutil.Process()
busy = Lock()


@metrics.get("/metrics")
async def page(ctx: Context) -> Response:
    return show("metrics.html")


@metrics.get("/metrics/events")
async def stream(ctx: Context) -> None:
    with log.subscribe(ctx, history=SHOWN) as reader, cuts.subscribe() as cut:
        async with ctx.event_stream(heartbeat=15, retry=1000) as events:
            await events.send({**about(), "waiting": len(reader)}, event="hello")
            async with events.relay(reader):
                await anext(cut)


@metrics.post("/metrics/cut")
async def hang_up(ctx: Context) -> None:
    """End every stream: browsers come again with the id of what they have seen last."""
    cuts.send(None)


@metrics.post("/metrics/work")
def work(ctx: Context) -> None:
    """Keep one core busy: a plain function, so it disturbs nobody but the chart."""
    if not busy.acquire(blocking=False):
        raise HTTPError(409, "already at work")
    end = monotonic() + WORK
    try:
        while monotonic() < end:
            sum(range(10_000))
    finally:
        busy.release()


def about() -> dict[str, Any]:
    return {
        "pid": process.pid,
        "started": process.create_time(),
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
    }


def sample() -> dict[str, float]:
    with process.oneshot():
        return {
            "at": time(),
            "cpu": process.cpu_percent(),  # percent of one core, since the last time
            "memory": process.memory_info().rss,  # bytes
            "threads": process.num_threads(),
            "readers": log.receivers,
        }


@contextmanager
def sampling() -> Generator[None]:
    """A thread of our own, whatever the backend: a log takes events from anywhere."""
    over = Event()
    sample()

    def take() -> None:
        while not over.wait(INTERVAL):
            log.send(sample())

    sampler = Thread(target=take, name="sampler")
    sampler.start()
    try:
        yield
    finally:
        over.set()
        sampler.join()


app = App()
app.include(metrics)
app.include(web)
app.lifespan(sampling)

if __name__ == "__main__":
    app.run()
