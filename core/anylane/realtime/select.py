"""Select: what listens to several sources in one handler, without a task, on every lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from anylane.errors import UsageError
from anylane.realtime.source import ENDED, PENDING
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.realtime.source import OwnSource, Source


class Select:
    """Gives (source, item) pairs: `async for source, item in ctx.select(ws, subscription)`.

    sources: WebSockets, Subscriptions, LogReaders, or any other `Source`. Raises UsageError for
    what has no `poll`. Sources that have an item get their turns in order. A source that ends is
    dropped; the loop ends when all have. It raises what a source raises, and Disconnected once the
    client is gone. After `break` it holds nothing, though a subscription that stays open may wake
    its handler once more; no item is lost.

    It is an iterator and no generator: a generator that is left early is finished by the event
    loop, at another time on each lane, or never.
    """

    __slots__ = ("_exchange", "_foreign", "_link", "_live")

    def __init__(self, exchange: Exchange, link: Link, sources: tuple[Source, ...]) -> None:
        self._exchange = exchange
        self._link = link
        for source in sources:
            if not hasattr(source, "poll"):
                raise UsageError(
                    f"ctx.select() got {shown(source)}; expected sources, such as a WebSocket or a "
                    "Subscription: ctx.select(ws, subscription)"
                )
        self._live: list[OwnSource] = [
            cast("OwnSource", source) if hasattr(source, "poll_or_wait") else Attachable(source)
            for source in sources
        ]
        self._foreign = tuple(source for source in self._live if isinstance(source, Attachable))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Any, Any]:
        link, exchange = self._link, self._exchange
        try:
            while (found := self._poll(link)) is None:
                link.take_input()
                if exchange.interrupt is not None:
                    await link.hear()
                exchange.check()
                await link.wait()
        except BaseException:
            # Else a room would keep what the handler has left behind, until its next item comes.
            for source in self._live:
                source.expect_nothing(link)
            raise
        finally:
            for each in self._foreign:
                each.expect_nothing(link)
        return found

    def _poll(self, link: Link) -> tuple[Any, Any] | None:
        """Return the next item and its source, None if no source has one.

        Each source that was asked goes to the end of the line. Raise StopAsyncIteration if all have
        ended.
        """
        live, at = self._live, 0
        try:
            while at < len(live):
                source = live[at]
                item = source.poll_or_wait(link)
                if item is PENDING:
                    at += 1
                elif item is ENDED:
                    del live[at]
                else:
                    at += 1
                    if at < len(live):
                        self._live = live[at:] + live[:at]
                    return source.source if isinstance(source, Attachable) else source, item
        except BaseException:
            self._live = live[at + 1 :] + live[: at + 1]
            raise
        if not live:
            raise StopAsyncIteration
        return None


class Attachable:
    """Gives a user's own source the form of the core's: it is attached while its handler waits."""

    __slots__ = ("_attached", "source")

    def __init__(self, source: Source) -> None:
        self.source: Source = source
        self._attached = False

    def poll(self) -> Any:
        """Return what the source gives, without waiting for it."""
        return self.source.poll()

    def poll_or_wait(self, link: Link) -> Any:
        """Return what the source gives. If that is PENDING, the source is attached now."""
        item = self.source.poll()
        if item is PENDING and not self._attached:
            self.attach(link)
            # It is asked once more now that it wakes the link, so that nothing can fall between.
            item = self.source.poll()
        return item

    def expect_nothing(self, link: Link) -> None:
        """Detach the source, if it is attached."""
        if self._attached:
            self.detach(link)

    def attach(self, link: Link) -> None:
        """Have the source wake the link."""
        self._attached = True
        self.source.attach(link)

    def detach(self, link: Link) -> None:
        """Have the source wake the link no longer."""
        self._attached = False
        self.source.detach(link)
