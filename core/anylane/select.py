"""Select: several sources in one handler, without a task. On every lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from anylane.errors import UsageError
from anylane.source import ENDED, PENDING, Source

if TYPE_CHECKING:
    from anylane.context import Context


class Select:
    """`async for source, item in ctx.select(...)`. Left by `break`, it holds nothing.

    An iterator and no generator: leaving one of those early is finished by the event loop, at
    another time on each lane, or never.
    """

    __slots__ = ("_ctx", "_live")

    def __init__(self, ctx: Context, sources: tuple[Source, ...]) -> None:
        self._ctx = ctx
        self._live = list(sources)
        for source in sources:
            if not hasattr(source, "poll"):
                raise UsageError(
                    f"ctx.select() got {source!r:.80}; expected sources, such as a WebSocket or a "
                    "Subscription: ctx.select(ws, subscription)"
                )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Any, Any]:
        # One coroutine: it runs for every receiver of a broadcast.
        found = self._poll()
        if found is not None:
            return found
        link, exchange = self._ctx.link, self._ctx.exchange
        attached = tuple(self._live)
        # Polled again only now that every source wakes us: nothing can fall between. Not at all
        # where each of them says that nothing did.
        asked = True
        for source in attached:
            if source.attach(link) is not True:
                asked = False
        try:
            while asked or (found := self._poll()) is None:
                asked = False
                link.look()
                exchange.check()
                await link.wait()
            return found
        finally:
            for source in attached:
                source.detach(link)

    def _poll(self) -> tuple[Any, Any] | None:
        """The next item of the source whose turn it is; each asked goes to the end of the line."""
        live = self._live
        at = 0
        try:
            while at < len(live):
                source = live[at]
                item = source.poll()
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
