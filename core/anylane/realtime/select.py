"""Select: several sources in one handler, without a task. On every lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from anylane.errors import UsageError
from anylane.realtime.source import ENDED, PENDING, Source

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.lane.link import Link
    from anylane.realtime.source import OwnSource


class Select:
    """`async for source, item in ctx.select(...)`. Left by `break`, it holds nothing, though a
    subscription that stays open may wake its handler once more.

    An iterator and no generator: leaving one of those early is finished by the event loop, at
    another time on each lane, or never.
    """

    __slots__ = ("_ctx", "_live", "_own")

    def __init__(self, ctx: Context, sources: tuple[Source, ...]) -> None:
        self._ctx = ctx
        # Others' sources have no `poll_or_wait`: it is called where `_own` says that none is there.
        self._live = cast("list[OwnSource]", list(sources))
        for source in sources:
            if not hasattr(source, "poll"):
                raise UsageError(
                    f"ctx.select() got {source!r:.80}; expected sources, such as a WebSocket or a "
                    "Subscription: ctx.select(ws, subscription)"
                )
        self._own = all(hasattr(source, "poll_or_wait") for source in sources)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Any, Any]:
        if not self._own:
            return await self._attached()
        link, exchange = self._ctx.link, self._ctx.exchange
        try:
            while (found := self._poll(link)) is None:
                link.take_input()
                exchange.check()
                await link.wait()
        except BaseException:
            # A room must not keep, until somebody sends, what its handler has left behind.
            for source in self._live:
                source.expect_nothing(link)
            raise
        return found

    async def _attached(self) -> tuple[Any, Any]:
        found = self._poll()
        if found is not None:
            return found
        ctx, attached = self._ctx, tuple(self._live)
        for source in attached:
            source.attach(ctx.link)
        try:
            # Polled again only now that every source wakes us: nothing can fall between.
            while (found := self._poll()) is None:
                ctx.check()
                await ctx.link.wait()
            return found
        finally:
            for source in attached:
                source.detach(ctx.link)

    def _poll(self, link: Link | None = None) -> tuple[Any, Any] | None:
        """The next item of the source whose turn it is; each asked goes to the end of the line."""
        live, at = self._live, 0
        try:
            while at < len(live):
                source = live[at]
                item = source.poll() if link is None else source.poll_or_wait(link)
                if item is PENDING:
                    at += 1
                elif item is ENDED:
                    del live[at]
                else:
                    at += 1
                    if at < len(live):
                        self._live = live[at:] + live[:at]
                    return source, item
        except BaseException:
            self._live = live[at + 1 :] + live[: at + 1]
            raise
        if not live:
            raise StopAsyncIteration
        return None
