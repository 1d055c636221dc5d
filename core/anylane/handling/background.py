"""Background work: functions that run after a response, with the context variables that each was
given in, and the turns of periodic jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.callables import (
    Call,
    accepted_positionals,
    is_coroutine_function,
    location,
    run_call,
)
from anylane.handling.context import Context
from anylane.handling.error_responses import log_hook_failure
from anylane.handling.failures import by_signal, taken_apart
from anylane.handling.job import Job
from anylane.handling.pipeline import go_to
from anylane.lane.link import current_link
from anylane.lane.log_ids import hand_on
from anylane.lane.variables import apply_variables, changed_variables
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.job import Ending
    from anylane.lane.host import Host
    from anylane.lane.link import Errand, Link
    from anylane.routing.mounted import Mounted


def background(ctx: Context, jobs: list[Job]) -> Errand:
    """Return the errand that runs these jobs of `ctx.background`, one after the other."""
    return partial(_work, ctx, jobs)


def run_endings(ctx: Context, endings: list[Ending]) -> None:
    """Call what parts have given to `ctx.on_end`, in the exchange's own context. What one raises is
    logged, and nothing else comes of that."""
    for ending in endings:
        try:
            ending(ctx)
        except BaseException as exc:  # a part's; it must not end the connection
            if by_signal(exc):
                raise
            log_hook_failure(ctx, location(ending), exc)


async def _work(ctx: Context, jobs: list[Job], link: Link) -> None:
    # The exchange of ctx is over: what ctx waits for belongs to the errand's exchange from now on.
    # The request stays; it is made of the old exchange at the first look, so that comes first.
    _ = ctx.request
    hand_on(ctx.link, link.driver, link.exchange)
    ctx.exchange, ctx.link = link.exchange, link
    try:
        for job in jobs:
            seed = changed_variables(copy_context(), job.variables)
            apply_variables(tuple(each for each in seed if each[0] is not current_link))
            what = f"{location(job.func)}, after {ctx.request.method} {ctx.request.target},"
            await _do(ctx, job, what)
    finally:
        ctx.release()


def periodic(place: Mounted, func: Callable[..., Any]) -> Errand:
    """Return the errand of one turn of a job, which is `func()` or `func(ctx)`.

    place: of the App whose job it is.
    """
    return partial(_turn, place, func, bool(accepted_positionals(func, 1)))


async def _turn(place: Mounted, func: Callable[..., Any], takes_ctx: bool, link: Link) -> None:
    ctx = Context(link.exchange, link, place.app)
    go_to(place, ctx)
    what = f"the job {location(func)}"
    await _do(ctx, Job(func, (ctx,) if takes_ctx else ()), what)
    for job in ctx.jobs or ():
        await _do(ctx, job, f"{location(job.func)}, after {what},")


async def _run(job: Job, ctx: Context) -> None:
    """Run a `def` in the pool, where `ctx.call` works, and an `async def` here."""
    if is_coroutine_function(job.func):
        await job.func(*job.args)
        return
    result = await ctx.run_handler(lambda _: job.func(*job.args))
    if hasattr(result, "__await__"):
        await result


async def _do(ctx: Context, job: Job, what: str) -> None:
    host = ctx.link.host
    ended = False
    try:
        await attempt(host, what, (partial(_run, job), True), ctx)
        ended = True
    finally:
        if not ended:
            host.log("warning", f"{what} was cut off", None)


async def attempt(host: Host, what: str, call: Call, ctx: Context) -> None:
    """Call a hook or a job. Log what it raises, and nothing else comes of that.

    what: names it in the log line. A native cancellation passes through, and so does a
    KeyboardInterrupt by a signal.
    """
    try:
        await run_call(call, ctx)
    except BaseException as exc:  # noqa: BLE001  # the user's; `taken_apart` decides
        passing, failure = taken_apart(exc, ctx.link)
        try:
            if failure is not None and ctx.exchange.interrupt is not None:
                host.log("warning", f"{what} was cut off", None)
            elif failure is not None:
                host.log("error", f"{what} failed: {shown(failure, 1000)}", failure)
            if passing is exc:
                raise
            if passing is not None:
                raise passing from None
        finally:
            del passing, failure  # As in run_exchange.
