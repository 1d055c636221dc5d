"""Relay: passes on to one client what a room is sent, while its handler does other things.

No handler is woken for it. What all receivers get alike is made once, and each connection writes it
once a turn. A client that is slow keeps its position in the room, and with that the room's rule for
those that lag.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from anylane.errors import Disconnected, UsageError
from anylane.realtime.broadcast import Broadcast, Subscription
from anylane.realtime.event_log import LogReader
from anylane.realtime.item_forms import ItemForms
from anylane.realtime.source import ENDED, PENDING
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.lane.wake_queue import WakeQueue
    from anylane.protocol.interfaces import Join

Relayed = Broadcast[Any] | Subscription[Any] | LogReader
"""What a relay passes on: a room from now on, or what a subscription or a reader has not given."""


class Outlet(Protocol):
    """Where a relay puts what it passes on: one WebSocket, or one event stream.

    relays: those that are at work, in the order in which they began.
    join: joins several forms into one, to be put at once; None where they stay apart.
    """

    link: Link
    relays: list[Relay]

    @property
    def join(self) -> Join | None: ...

    @property
    def kind(self) -> Hashable:
        """Return what the form of an item depends on: outlets of one kind share it. None for one
        that shares with no other. Raise UsageError before it is open."""
        ...

    def form(self, item: Any) -> Any:
        """Return an item as `put` takes it. Raise what a handler's own `send` would raise."""

    def put(self, formed: Any) -> None:
        """Queue it, and do nothing else. Raise Disconnected if nothing can be sent any more."""

    def give_up(self, failure: BaseException | None) -> None:
        """End, because an item has no form, or because the client is too slow (None)."""

    async def carry_on(self, relay: Relay) -> None:
        """Wait for the end of the client, or of the relay."""


class Relay:
    """What `ws.relay(room)` and `events.relay(room)` return.

    As a block it goes on beside what the block does: `async with ws.relay(room): ...`. Leaving the
    block waits until what was sent before is on its way. Awaited, it goes on until the client
    leaves: `await ws.relay(room)`. Each is used once.

    What a handler sends itself in the block comes behind all that the room was sent before. Two
    relays of one client have no order between them.

    over: it passes nothing on any more, though its client is there: its source has ended, or an
        item had no form.
    """

    __slots__ = ("_done", "_entered", "_failure", "_held", "_outlet", "_own", "_shared", "_source",
                 "link", "over")  # fmt: skip

    def __init__(self, outlet: Outlet, source: Relayed) -> None:
        if not isinstance(source, Broadcast | Subscription | LogReader):
            raise UsageError(
                f"relay() got {shown(source)}; expected a Broadcast, or a subscription of one: "
                "relay(room)"
            )
        self.link: Link = outlet.link
        self._outlet = outlet
        self._own = isinstance(source, Broadcast)
        self._source: Any = source
        self._shared: ItemForms | None = None
        self._failure: BaseException | None = None
        self._entered = self._done = self._held = False
        self.over: bool = False

    @property
    def lagged(self) -> int:
        """The number of items that this client has lost: see `Broadcast` for who loses some."""
        return 0 if isinstance(self._source, Broadcast | LogReader) else self._source.lagged

    def __await__(self) -> Generator[Any, None, None]:
        return self._run().__await__()

    async def _run(self) -> None:
        async with self:
            await self._outlet.carry_on(self)

    async def __aenter__(self) -> Self:
        if self._entered:
            raise UsageError("a relay is used once; call relay() again for another one")
        kind = self._outlet.kind  # Raises where nothing can be passed on, before anything is done.
        self._entered = True
        if isinstance(self._source, Broadcast):
            self._source = self._source.subscribe()
        elif self._source.relayed:
            raise UsageError("relay() got what is relayed already; subscribe once for each relay")
        self._source.relayed = True
        if isinstance(self._source, Subscription) and kind is not None:
            # A function that has no hash cannot be found again, so its forms are not shared.
            with suppress(TypeError):
                self._shared = self._source.forms(kind, self._outlet.join)
        self._source.attach(self)
        self._outlet.relays.append(self)
        self.pass_on()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc is None:
                await self.catch_up()
        finally:
            self._stop()
            self._shared = None
            self._outlet.relays.remove(self)
        # What has ended it is why the client is gone, and why a foreign await was cancelled.
        if self._failure is not None and (
            exc is None or isinstance(exc, Disconnected) or self.link.is_cancellation(exc)
        ):
            raise self._failure from None

    # -- what the room asks of those that wait for it (see `Waiters`) ------------------------------

    @property
    def wakes(self) -> WakeQueue:
        """Return what runs functions on the lane's own thread."""
        return self.link.wakes

    def woken(self) -> None:
        """Pass on what is new, on the lane's own thread."""
        self.link.driver.tell(self.pass_on)

    # -- by the owner of the connection -----------------------------------------------------------

    def pass_on(self, *, asked: bool = False) -> None:
        """Queue what waits as far as the client keeps up, and write it.

        asked: the handler waits for this. Else one that waits for room in the output comes first:
        a relay that takes it each time would hold it up for as long as the room is busy.
        """
        link, source, outlet = self.link, self._source, self._outlet
        carrier, driver = link.exchange.carrier, link.driver
        if self._done or (self._held and (carrier.congested or (link.flushing and not asked))):
            return
        shared, unsent = self._shared, carrier.backlog + carrier.queued
        try:
            if shared is not None and unsent <= carrier.high:
                form = source.poll_all(shared, carrier.high - unsent)
                if form is not None:
                    try:
                        outlet.put(form)
                    except Disconnected:
                        self._stop()  # How the client has ended is its outlet's to tell.
                    driver.push()
                    return
            for _ in range(source.waiting):
                # Where `congested` is false it is not called: this runs for each item of each.
                if carrier.backlog + carrier.queued > carrier.high:
                    driver.push()
                    if carrier.congested:
                        self._hold()
                        return
                item = source.poll()
                if item is PENDING:
                    break
                if item is ENDED:
                    self._ended()
                    break
                if shared is None:
                    form = outlet.form(item)
                else:
                    form = source.form(shared, partial(outlet.form, item))
                try:
                    outlet.put(form)
                except Disconnected:
                    self._stop()  # How the client has ended is its outlet's to tell.
                    break
        except BaseException as exc:  # noqa: BLE001  # It is raised when the block is left.
            self._give_up(exc)
        driver.push()

    async def catch_up(self) -> None:
        """Return when all that was sent until now was passed on, or lost, or the client is gone."""
        source, link = self._source, self.link
        end = source.end_number
        self.pass_on(asked=True)
        while not self._done and link.exchange.gone is None:
            if source.next_number >= min(end, source.end_number):  # A log may begin anew.
                return
            link.check()
            await link.flush()
            self.pass_on(asked=True)

    def _hold(self) -> None:
        """Go on when there is room again."""
        if not self._held:
            self._held = True
            self.link.driver.await_room(self.link.exchange.carrier, self._go_on)

    def _go_on(self) -> None:
        self._held = False
        if self.link.flushing:
            self._hold()
            self.link.driver.give_way(self.link)
        else:
            self.pass_on()

    def _ended(self) -> None:
        """Take note that the source has ended: by hand, or because it lags."""
        if self._source.cut_off:
            self._give_up(None)
        else:
            self._end()

    def _give_up(self, failure: BaseException | None) -> None:
        self._failure = failure
        self._end()
        self._outlet.give_up(failure)
        self.link.driver.pump()

    def _end(self) -> None:
        self._stop()
        self.over = True
        self.link.wake()

    def _stop(self) -> None:
        """Take nothing more, and be no receiver any more, before the handler hears of it."""
        if not self._done:
            self._done = True
            self._source.detach(self)
            if self._own:
                self._source.close()
