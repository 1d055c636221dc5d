"""Server-sent events, as a handler sends them: `async with ctx.event_stream() as events`.

See the HTML standard §9.2. Tier 0 does the framing, the heartbeats, and the end of a stream in a
drain.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from anylane.errors import Disconnected, UsageError
from anylane.lane.link import BURST
from anylane.protocol.sse import (
    check_retry,
    encode_comment,
    encode_event,
    encode_fields,
    last_event_id,
)
from anylane.realtime.event_log import EventLog, LoggedEvent, text_of
from anylane.realtime.relay import Relay, Relayed
from anylane.shown import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from anylane.http.response import Response
    from anylane.lane.link import Link, Scope
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.fields import Header
    from anylane.protocol.interfaces import EventSession, Join


_CONTENT_TYPE = "text/event-stream"

_HEADERS = (
    # RFC 9111 §5.2.2: no cache answers from a copy, and no proxy compresses the stream, which would
    # hold events back until a block is full.
    ("cache-control", "no-cache, no-transform"),
    # nginx, and proxies that follow it, pass on each piece as it comes.
    ("x-accel-buffering", "no"),
)


def _prepare(response: Response) -> None:
    """Make a response the head of an event stream. Raise UsageError if it cannot be one."""
    if response.status not in (None, 200):
        raise UsageError(
            f"an event stream has status {response.status}; clients take 200 only (HTML "
            "standard §9.2.3). Answer without ctx.event_stream(): 204 ends their reconnecting"
        )
    if "content-length" in response.headers:
        raise UsageError("an event stream has no Content-Length; remove the header")
    if response.headers.get("content-type") != _CONTENT_TYPE:
        response.set_header("content-type", _CONTENT_TYPE)
    for name, value in _HEADERS:
        if name not in response.headers:
            response.set_header(name, value)


class EventStream:
    """Sends events to one client: `await events.send(data)` inside of the block.

    Any number of tasks may send; each event goes out whole, as one chunk (HTML standard §9.2.6).

    Entering sends the head and freezes `ctx.response`. It raises UsageError if the response has
    another status than 200 or a Content-Length, or was sent already. Leaving sends the end. If the
    block is left by an exception, the body stays incomplete and the connection closes; browsers
    come again either way.

    When the client leaves, the next use of `ctx` raises Disconnected, also one that waits already.
    Where the block awaits something of the event loop's own library instead, it is cancelled
    natively. A `def` handler uses `with`, and `ctx.call(events.send, data)` inside.
    """

    media_type: ClassVar[str] = "text/event-stream"
    """For OpenAPI: `responses={200: EventStream}`."""

    __slots__ = ("_begin", "_call", "_exchange", "_heartbeat", "_open", "_relays", "_retry",
                 "_scope", "_session", "_trailers", "link")  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        link: Link,
        *,
        retry: int | None,
        heartbeat: float | None,
        begin: Callable[[Callable[[Response], None]], Awaitable[Response]],
        call: Callable[..., Any],
    ) -> None:
        """Check the settings; send nothing. See `Context.event_stream` for retry and heartbeat.

        begin: lets the response hooks see the response, prepared by the function that it is given,
        and returns it to be sent. call: `ctx.call`, for the `with` block of a `def` handler. Raise
        UsageError for a retry that is no whole number of milliseconds, and for a heartbeat that is
        no number of seconds over 0.
        """
        if retry is not None:
            check_retry(retry)
        if heartbeat is not None and not (_is_number(heartbeat) and heartbeat > 0):
            raise UsageError(f"heartbeat is {shown(heartbeat)}; expected seconds over 0, or None")
        self._exchange = exchange
        self.link: Link = link
        self._begin = begin
        self._call = call
        self._retry = retry
        self._heartbeat = heartbeat
        self._open = False
        self._scope: Scope | None = None
        self._session: EventSession
        self._trailers: list[Header] = []
        self._relays: list[Relay] = []

    @property
    def last_event_id(self) -> str | None:
        """Return the id of the last event that this client saw before it came again, None if it is
        new: Last-Event-ID, HTML standard §9.2.4."""
        return last_event_id(self._exchange.head)

    async def send(
        self,
        data: Any,
        event: str | None = None,
        id: str | None = None,
        retry: int | None = None,
    ) -> None:
        """Wait while the client is behind, then queue one event whole (HTML standard §9.2.6).

        data: a str is sent as it is, in as many lines as it has (a client sees LF where CR or CRLF
        was), a LoggedEvent with all its fields, anything else as JSON. event: its type; a client
        takes "message" if it is None. id: what the client sends as Last-Event-ID when it comes
        again. retry: milliseconds until then.

        Raise UsageError for bytes, for CR, LF or NUL in event or id, for a bad retry, and outside
        of the block. Raise TypeError for a value that JSON has no form for, and Disconnected if the
        client is gone. Nothing was sent then, nor if the call is cancelled.
        """
        if isinstance(data, LoggedEvent):
            if event is not None or id is not None:
                raise UsageError("a LoggedEvent has an event and an id of its own; leave them out")
            block = encode_fields(retry=retry) + data.block
        else:
            block = encode_event(text_of(data), event=event, id=id, retry=retry)
        if self._behind():
            await self._catch_up()
        self._put(block, retry)

    async def follow(self, log: EventLog, *, history: int = 0) -> NoReturn:
        """Send what this client has missed of a log, and then what comes, until the client leaves.

        history: how many of the kept events a client gets that comes for the first time. It never
        returns: it raises Disconnected at the end. See `EventLog` for what a client gets that was
        away too long.
        """
        with log.subscribe(self, history=history) as reader:
            if self.last_event_id is None and reader.position:
                # An id alone fires no event, but the client remembers it (§9.2.6). So it misses
                # nothing even if it loses the connection before the first event.
                await self._write(encode_fields(id=reader.position) + b"\n")
            while True:
                await self._write((await anext(reader)).block)

    def relay(
        self,
        source: Relayed,
        encode: Callable[[Any], Any] | None = None,
        *,
        event: str | None = None,
    ) -> Relay:
        """Return a Relay, which sends the client what a room is sent, without this handler.

        `async with events.relay(room): ...` does so beside what the block does, and `await
        events.relay(room)` until the client leaves. See `Relay` for the order.

        source: a Broadcast, from when the block is entered; or a Subscription or LogReader that
        nothing else takes from, with all that waits there. encode: makes the data of an event of an
        item, once for all clients that were given the same function and *event*; without it, the
        item is the data, as in `send`. event: the type of the events; those of a LogReader have
        their own.

        A client that is slow keeps its place in the room, and loses items or is cut off by the
        room's own rule. What `encode` raises cuts the stream off and comes out of the block, as
        Lagged does. Raise UsageError for another source, for CR, LF or NUL in *event*, and for a
        relay that begins outside of the stream's own block.
        """
        encode_fields(event=event)
        return Relay(EventOutlet(self, self._relays, encode, event), source)

    async def comment(self, text: str) -> None:
        """Wait while the client is behind, then queue a comment, which clients ignore.

        text: of one line or more. Raise as `send` does.
        """
        await self._write(encode_comment(text))

    # Two functions stand around a wait that hardly ever comes, because this runs for every event.

    def _behind(self) -> bool:
        """Return whether `_catch_up` would do anything. Raise Disconnected if the client is gone,
        and UsageError outside of the block."""
        exchange, link = self._exchange, self.link
        link.take_input()
        if exchange.interrupt is not None:
            link.check()
        exchange.check()
        if not self._open:
            raise UsageError("the event stream is not open: send inside of its `with` block")
        driver = link.driver
        congested = exchange.carrier.congested or driver.written - link.burst > BURST
        return congested or bool(self._relays)

    async def _catch_up(self) -> None:
        for relay in tuple(self._relays):
            await relay.catch_up()
        await self.link.flush()
        self._behind()  # The stream may be over by now.

    def _put(self, block: bytes, retry: int | None = None) -> None:
        link = self.link
        driver = link.driver
        self._session.send(block, driver.now(), retry=retry)
        if not driver.pumping:  # Else it is written as soon as the handler suspends or ends.
            link.push()

    async def _write(self, block: bytes) -> None:
        if self._behind():
            await self._catch_up()
        self._put(block)

    # -- the block -----------------------------------------------------------------------------

    async def _enter(self) -> Self:
        exchange = self._exchange
        self.link.check()
        response = await self._begin(_prepare)
        exchange.send_head(200, response.head()[1], None)
        response.freeze()
        self._trailers = response.trailers
        self._session = exchange.begin_events(
            retry=self._retry, heartbeat=self._heartbeat, now=self.link.now()
        )
        self._open = True
        self.link.pump()
        return self

    def _leave(self, exc: BaseException | None) -> None:
        self._open = False
        exchange = self._exchange
        if exc is None and exchange.gone is None:
            exchange.send_end(self._trailers)
        else:
            self._session.end()
        self.link.pump()

    async def __aenter__(self) -> Self:
        link = self.link
        if not link.inline:
            self._scope = link.scope()
            await self._scope.__aenter__()
            self._exchange.on_gone = self._on_gone
        try:
            return await self._enter()
        except BaseException as exc:
            if self._scope is not None:
                await self._scope.__aexit__(type(exc), exc, exc.__traceback__)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        exchange = self._exchange
        exchange.on_gone = None
        self._leave(exc)
        if self._scope is None:
            return False
        swallowed = await self._scope.__aexit__(kind, exc, traceback)
        if self._scope.caught:
            self.link.check()
        return swallowed

    def __enter__(self) -> Self:
        """Enter the block of a `def` handler. Inside, use `ctx.call(events.send, data)`."""
        entered: Self = self._call(self._enter)
        return entered

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        async def leave() -> None:
            self._leave(exc)

        self._call(leave)

    def _on_gone(self) -> None:
        # In a turn of its own: the task that runs now gets as far as its next await first.
        self.link.driver.wakes.put(self._cancel_if_foreign)

    def _cancel_if_foreign(self) -> None:
        """Cancel a block that awaits something foreign, which may never come.

        A block that waits for `ctx` hears Disconnected there, and one that has heard it cleans up
        undisturbed. Any other would wait on for a client that is gone.
        """
        if self._open and not self._exchange.told and not self.link.parked:
            assert self._scope is not None
            self._scope.cancel()


class EventOutlet:
    """Where the relays of one event stream put what they pass on (see `Outlet`)."""

    __slots__ = ("_encode", "_event", "_events", "link", "relays")

    def __init__(
        self,
        events: EventStream,
        relays: list[Relay],
        encode: Callable[[Any], Any] | None,
        event: str | None,
    ) -> None:
        self._events = events
        self._encode = encode
        self._event = event
        self.link: Link = events.link
        self.relays: list[Relay] = relays

    @property
    def join(self) -> Join | None:
        """Return what joins several blocks into one; None for messages, which stay apart."""
        return self._events._session.join

    @property
    def kind(self) -> Hashable:
        """Return what the form of an item depends on. Raise UsageError outside of the block."""
        events = self._events
        if not events._open:
            raise UsageError("the event stream is not open: relay inside of its `with` block")
        return self._encode, self._event, events._session.framed

    def form(self, item: Any) -> Any:
        """Return the block of an item, as `put` takes it."""
        data = item if self._encode is None else self._encode(item)
        if isinstance(data, LoggedEvent):
            block = data.block
        else:
            block = encode_event(text_of(data), event=self._event)
        return self._events._session.form(block)

    def put(self, formed: Any) -> None:
        """Queue a block."""
        events, exchange = self._events, self.link.exchange
        if exchange.gone is not None or exchange.finished or not events._open:
            raise Disconnected
        events._session.put(formed, self.link.driver.now())

    def give_up(self, failure: BaseException | None) -> None:  # noqa: ARG002  # as Outlet
        """Cut the stream off: the client comes again."""
        self.link.exchange.lose(Disconnected(None, "an event stream lags, or an event failed"))

    async def carry_on(self, relay: Relay) -> None:
        """Wait until the client leaves, which raises Disconnected, or the relay is over."""
        link = self.link
        while not relay.over:
            link.check()
            await link.wait()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
