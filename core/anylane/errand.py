"""Errands: what a lane runs for a connection that is no request.

The hooks of a connection and the background work of a response need a coroutine, a Link and an
end, as handlers do. So they are exchanges that nobody has asked for: a lane starts them as any
other, and they can wait, be cancelled and be drained as any other.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING

from anylane.callables import Call, place, run_call
from anylane.context import Context
from anylane.errors import HTTPError
from anylane.lane.errand import grown, sow
from anylane.lane.link import current_link

if TYPE_CHECKING:
    from anylane.background import Job
    from anylane.lane.errand import Errand
    from anylane.lane.link import BaseLink
    from anylane.lane.server_core import ServerCore


# -- the errands there are --------------------------------------------------------------------


async def greet(link: BaseLink) -> None:
    """`on_connect`: the first exchange of a connection waits for it."""
    driver, server = link.driver, link.driver.server
    ctx = Context(link.exchange, link, server.frozen.app)
    before = copy_context()
    welcome = False
    try:
        for call in server.frozen.connect:
            await run_call(call, ctx)
        driver.seed = grown(before, copy_context())
        welcome = True
    except HTTPError as exc:
        server.log("info", f"a connection was turned away: {exc}", None)
    except Exception as exc:  # noqa: BLE001  # the hook's
        if not link.exchange.over:
            server.log("error", f"an on_connect hook failed: {exc!r}", exc)
    finally:
        driver.greeted(welcome=welcome)


async def part(link: BaseLink) -> None:
    """`on_disconnect`: after the connection and its last exchange."""
    driver, server = link.driver, link.driver.server
    sow(driver.seed)
    ctx = Context(link.exchange, link, server.frozen.app)
    for call in server.frozen.disconnect:
        await _attempt(server, "an on_disconnect hook", call, ctx)


def background(ctx: Context, jobs: list[Job]) -> Errand:
    """`ctx.background`: after a response."""
    return partial(_work, ctx, jobs)


async def _work(ctx: Context, jobs: list[Job], link: BaseLink) -> None:
    # Its own exchange is over; what it waits for is from now on this one's. The request, which is
    # made of the exchange when somebody first looks at it, stays.
    _ = ctx.request
    ctx.exchange, ctx.link = link.exchange, link
    try:
        for job in jobs:
            seed = grown(copy_context(), job.variables)
            sow(tuple(each for each in seed if each[0] is not current_link))
            await _do(ctx, job)
    finally:
        ctx.release()


async def _do(ctx: Context, job: Job) -> None:
    server = ctx.link.driver.server
    what = f"{place(job.func)}, after {ctx.request.method} {ctx.request.target},"
    ended = False
    try:
        await _attempt(server, what, (job.run, True), ctx)
        ended = True
    finally:
        if not ended:
            server.log("warning", f"{what} was cut off", None)


async def _attempt(server: ServerCore, what: str, call: Call, ctx: Context) -> None:
    """A failure is logged, and nothing else."""
    try:
        await run_call(call, ctx)
    except Exception as exc:  # noqa: BLE001  # the hook's
        if ctx.exchange.interrupt is not None:
            server.log("warning", f"{what} was cut off", None)
        else:
            server.log("error", f"{what} failed: {exc!r}", exc)
