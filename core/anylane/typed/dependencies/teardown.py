"""Teardown: what was given to a handler, and has to be given back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any

from anylane.errors import UsageError
from anylane.lane.link import Link
from anylane.log_limit import TEARDOWN

if TYPE_CHECKING:
    from anylane.handling.context import Context

_END = object()


class Given:
    """One generator that has given its value. where: names it in messages."""

    __slots__ = ("_inline", "_items", "where")

    def __init__(self, items: Any, where: str, *, inline: bool) -> None:
        self._items: AsyncGenerator[Any, None] | Generator[Any, None, None] = items
        self.where: str = where
        self._inline = inline

    async def value(self, ctx: Context) -> Any:
        """Run the generator to its `yield`, and return what it gives."""
        if isinstance(self._items, AsyncGenerator):
            found = await anext(self._items, _END)
        else:
            items = self._items
            found = await self._run(ctx, lambda: next(items, _END))
        if found is _END:
            raise UsageError(f"{self.where} has ended without a yield; expected one")
        return found

    async def end(self, ctx: Context, exc: BaseException | None) -> None:
        """Run what stands behind the `yield`. exc: what is raised there. Raise what comes out of
        it, unless that is `exc` itself."""
        try:
            if isinstance(self._items, AsyncGenerator):
                found = await self._end_async(self._items, exc)
            else:
                items = self._items
                found = await self._run(ctx, lambda: _end_sync(items, exc))
        except BaseException as raised:
            if raised is not exc:
                raise
            return
        if found is not _END:
            await self._close(ctx)
            raise UsageError(f"{self.where} has a second yield; expected one")

    async def _end_async(
        self, items: AsyncGenerator[Any, None], exc: BaseException | None
    ) -> object:
        try:
            return await (anext(items) if exc is None else items.athrow(exc))
        except StopAsyncIteration:
            return _END

    async def _close(self, ctx: Context) -> None:
        if isinstance(self._items, AsyncGenerator):
            await self._items.aclose()
        else:
            await self._run(ctx, self._items.close)

    async def _run(self, ctx: Context, func: Callable[[], Any]) -> Any:
        return func() if self._inline else await ctx.run_handler(lambda _: func())


def _end_sync(items: Generator[Any, None, None], exc: BaseException | None) -> object:
    try:
        return next(items) if exc is None else items.throw(exc)
    except StopIteration:
        return _END


class Teardown:
    """What is to be given back, in reverse, for one request.

    All of it together gets `Timeouts.close` seconds. A failure does not keep the others from their
    turn: each sees the latest exception.
    """

    __slots__ = ("_ctx", "_given")

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._given: list[Given] = []

    def __bool__(self) -> bool:
        return bool(self._given)

    def add(self, given: Given) -> None:
        """Take one more."""
        self._given.append(given)

    async def run(self, exc: BaseException | None) -> None:
        """Give all back, outside the interrupted scope. exc: what the handler has raised. Raise
        what a generator raises instead of that. What is cut off, when the time is over, is logged.
        """
        link = self._ctx.link
        exchange, raised = link.exchange, False
        alarms, close = exchange.alarms, exchange.carrier.config.timeouts.close
        if exchange.interrupt is not None:
            # A handler that blocks may have ended without a use of `ctx` that could tell it. The
            # first one here is not to raise: this may await, and has its own time for that.
            exchange.told = True
            alarms.shielded_until = link.now() + 2 * close
        if self._given and self._ctx.still_running():
            await self._wait(link.now() + close)
        until = link.now() + close
        while self._given:
            given = self._given.pop()
            # One for each: a scope of some lanes is cancelled at one await, and at no later one.
            scope = link.shield()
            try:
                async with scope:
                    alarm = alarms.set(until, scope.cancel)
                    if link.now() >= until:
                        scope.cancel()
                    try:
                        await given.end(self._ctx, exc)
                    finally:
                        alarms.cancel(alarm)
            except BaseException as instead:  # noqa: BLE001  # the user's; the others go on
                exc, raised = instead, True
            if scope.caught:
                why = f"the teardown of {given.where} was cut off"
                link.host.log_limit.log(TEARDOWN, "warning", why)
        if raised and exc is not None:
            raise exc

    async def _wait(self, until: float) -> None:
        """Wait for functions that still use in their threads what the handler was given."""
        link = self._ctx.link
        link.push()  # The answer, which does not wait for this.
        scope = link.shield()
        async with scope:
            alarm = link.exchange.alarms.set(until, scope.cancel)
            try:
                while self._ctx.still_running():
                    await link.wait()
            finally:
                link.exchange.alarms.cancel(alarm)
        if scope.caught:
            names = ", ".join(given.where for given in self._given)
            why = f"{names} is given back while a function of the handler still runs with it"
            link.host.log_limit.log(TEARDOWN, "warning", why)


class HeldUntilSent:
    """Gives back before an exchange ends: first what lives as long as the handler, then, behind the
    last byte, what lives as long as the response.

    failure: what the handler has raised.
    """

    __slots__ = ("_early", "_failure", "_late", "_link")

    def __init__(
        self, link: Link, early: Teardown, late: Teardown, failure: BaseException | None
    ) -> None:
        self._link = link
        self._early = early
        self._late = late
        self._failure = failure

    async def close(self, failure: BaseException | None) -> None:
        """Give back. failure: what a stream has raised. Raise what a generator raises."""
        failure = failure or self._failure
        try:
            await self._early.run(failure)
        finally:
            if self._late:
                self._link.push()
                await _all_sent(self._link)
                await self._late.run(failure)


async def _all_sent(link: Link) -> None:
    """Wait until the kernel has all that was written so far, or the client is gone."""
    told: list[bool] = []

    async def tell(_: Link) -> None:
        told.append(True)
        link.wake()

    link.driver.defer(tell)
    while not told and link.exchange.gone is None and link.exchange.interrupt is None:
        await link.wait()
