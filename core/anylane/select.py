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
        found = self._poll()
        if found is None:
            found = await self._wait()
        return found

    def _poll(self) -> tuple[Any, Any] | None:
        """The next item of the source whose turn it is; each asked goes to the end of the line."""
        for _ in range(len(self._live)):
            source = self._live.pop(0)
            self._live.append(source)
            item = source.poll()
            if item is ENDED:
                self._live.pop()
            elif item is not PENDING:
                return source, item
        if not self._live:
            raise StopAsyncIteration
        return None

    async def _wait(self) -> tuple[Any, Any]:
        link = self._ctx.link
        attached = tuple(self._live)
        for source in attached:
            source.attach(link)
        try:
            # Polled again only now that every source wakes us: nothing can fall between.
            while (found := self._poll()) is None:
                self._ctx.check()
                await link.wait()
            return found
        finally:
            for source in attached:
                source.detach(link)
