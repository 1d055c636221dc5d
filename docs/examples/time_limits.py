"""Time limits: for a route, and for a part of a handler. What is begun is cleaned up.

    pip install 'anylane[typed]'
    anylane run --app-dir docs/examples time_limits:app --backend trio

    curl -i 'http://127.0.0.1:8000/report?takes=5'    # 503: after a second, the route's limit
    curl -i 'http://127.0.0.1:8000/price?takes=5'     # 200: after half a second, an old price
    curl -i 'http://127.0.0.1:8000/pay?takes=5'       # 504: after half a second
    curl -i http://127.0.0.1:8000/jobs                # 200: what was begun, and how it ended

408 is for clients that are late with their request, and anylane sends it there. A server that is
late itself answers 503 (RFC 9110 §15.6.4), and for another server 504 (§15.6.5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, NoReturn

from anylane import App, Context, Depends, HTTPError

app = App(errors="json", timeout=10)  # seconds until an answer begins, for routes that say nothing


@app.on_startup
def begin() -> None:
    app.state.jobs = Counter()


async def job(ctx: Context) -> AsyncGenerator[None]:
    """Count how it ends: also for a handler that is interrupted."""
    jobs = ctx.app.state.jobs
    jobs["begun"] += 1
    try:
        yield
        jobs["done"] += 1
    finally:
        jobs["cleaned up"] += 1


Job = Annotated[None, Depends(job)]


@dataclass
class Price:
    amount: int
    source: str


@app.get("/report", timeout=1)
async def report(ctx: Context, job: Job, takes: float = 0) -> str:
    await ctx.sleep(takes)  # stands for work; any other await is interrupted on loops, too
    return "all is well"


@app.get("/price")
async def price(ctx: Context, job: Job, takes: float = 0) -> Price:
    try:
        async with ctx.timeout(0.5):
            await ctx.sleep(takes)
    except TimeoutError:
        return Price(11, "yesterday")
    return Price(12, "the exchange")


@app.get("/pay")
async def pay(ctx: Context, job: Job, takes: float = 0) -> str:
    async with ctx.timeout(0.5):
        await ctx.sleep(takes)
    return "paid"


@app.exception_handler(TimeoutError)
async def too_late(ctx: Context, exc: TimeoutError) -> NoReturn:
    raise HTTPError(504, "the bank takes too long", headers={"retry-after": "5"})


@app.get("/jobs")
async def jobs(ctx: Context) -> dict[str, int]:
    return dict(ctx.app.state.jobs)


if __name__ == "__main__":
    app.run()
