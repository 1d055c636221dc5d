"""WebSocket, as a handler sees it. Tier 0 does the framing and the close handshake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from anylane import json
from anylane.errors import Disconnected, InvalidJSON, UsageError
from anylane.lane.link import BURST, shielded
from anylane.protocol.timers import deadline_after
from anylane.read_only import explain
from anylane.realtime.broadcast import Lagged
from anylane.realtime.parting import Leftover, Parting
from anylane.realtime.relay import Relay, Relayed
from anylane.realtime.source import ENDED, PENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import Join, WebSocketSession


class WebSocket:
    """One accepted WebSocket, which `ctx.accept()` returns (RFC 6455).

    Any number of tasks may send; each message goes out whole. One task may receive at a time.
    `async for` gives the messages. It ends quietly when the peer closes with 1000 or 1001, and
    raises Disconnected(code) at any other end.
    """

    __slots__ = ("_exchange", "_link", "_protocol", "_receiving", "_relays")

    def __init__(self, exchange: Exchange, link: Link, protocol: WebSocketSession) -> None:
        self._exchange = exchange
        self._link = link
        self._protocol = protocol
        self._receiving = False
        self._relays: list[Relay] = []

    def watch(self) -> None:
        """Let no foreign await of the handler outlast its client for long (see `Parting`)."""
        if not self._link.inline:  # Nothing foreign can be awaited there.
            self._exchange.on_gone = self._left

    def _left(self) -> None:
        parting = Parting(self._exchange, self._link)
        self._protocol = cast("WebSocketSession", Leftover(self._protocol, parting))

    @property
    def close_code(self) -> int | None:
        """Return the code of the peer's close frame (RFC 6455 §7.1.5), 1006 if there was none, and
        None while the session is open."""
        return self._protocol.close_code

    @property
    def close_reason(self) -> str:
        """Return the reason in the peer's close frame (RFC 6455 §7.1.6), or what has failed; ""
        while the session is open."""
        return self._protocol.close_reason

    @property
    def subprotocol(self) -> str | None:
        """Return the subprotocol that was agreed on (RFC 6455 §1.9), or None."""
        return self._protocol.subprotocol

    @property
    def latency(self) -> float | None:
        """Return the seconds that the last answered ping took, None before the first."""
        return self._protocol.latency

    async def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message and return it: str for text, bytes for binary.

        timeout: seconds, None for no limit. Raise TimeoutError if no message came in time; a
        message that comes later is not lost. Raise Disconnected(code) at the end, after the
        messages that came before it. Raise UsageError while another task receives: each message
        has one reader.
        """
        message = None if self._receiving else self._protocol.take()
        return await self._receive(timeout, quiet=False) if message is None else message

    async def _receive(self, timeout: float | None = None, *, quiet: bool = True) -> str | bytes:
        """Do what `receive` does. quiet: 1000 and 1001 raise StopAsyncIteration."""
        if self._receiving:
            self._check_reader()
        protocol = self._protocol
        message = protocol.take()
        if message is not None:
            return message
        link = self._link
        driver = link.driver
        alarm = None
        try:
            if not protocol.is_quiet():
                message = protocol.poll(driver.now())
                if message is not None:
                    return message
            self._receiving = True
            if timeout is not None:
                alarm = self._exchange.alarms.set(deadline_after(driver.now(), timeout))
            while message is None:
                if alarm is not None and alarm.fired:
                    if self._exchange.interrupt is not None:
                        await link.hear()
                    raise TimeoutError(f"no message within {timeout:g} seconds")
                await link.wait()
                message = protocol.take()
                if message is None:
                    message = protocol.poll(driver.now())
            return message
        except Disconnected as exc:
            if self._exchange.interrupt is not None:
                await link.hear()
            if quiet and exc.code in (1000, 1001):
                raise StopAsyncIteration from None
            raise
        finally:
            self._receiving = False
            if alarm is not None:
                self._exchange.alarms.cancel(alarm)

    async def receive_json(self, timeout: float | None = None) -> Any:
        """Wait for the next message, decode it as JSON and return the value.

        Raise an HTTPError that is a ValueError, too, if it is no JSON; the message is gone then. A
        handler that lets it pass closes with 1007 (RFC 6455 §7.4.1), without a traceback in the
        log. Raise also as `receive` does.
        """
        message = await self.receive(timeout)
        try:
            return json.loads(message)
        except ValueError as exc:
            raise InvalidJSON(f"the message is not JSON: {exc}") from None

    async def send(self, message: str | bytes) -> None:
        """Wait while the peer is behind, then queue one message whole.

        message: str is sent as text, bytes as binary. Raise Disconnected if the session is closing,
        and UsageError for anything else than str or bytes. Nothing was sent then, nor if the call
        is cancelled: after the last wait nothing can interrupt it.
        """
        if not isinstance(message, str):
            message = _as_bytes(message)
        if self._relays:
            await self._after_relays()
        link, protocol = self._link, self._protocol
        driver, carrier = link.driver, protocol.carrier
        # Where `flush` would return at once it is not called: this runs for every message.
        if carrier.backlog + carrier.queued > carrier.high or driver.written - link.burst > BURST:
            await link.flush()
        try:
            protocol.send(message)
        except Disconnected:
            if self._exchange.interrupt is not None:
                await link.hear()
            raise
        if driver.pumping:
            pass  # It is written as soon as the handler suspends or ends.
        elif protocol.has_messages:
            link.push_soon()  # A handler with more messages to answer is about to send more.
        else:
            link.push()

    async def send_json(self, value: Any) -> None:
        """Send a value as one text message of JSON. Raise TypeError for a value that JSON has no
        form for, and as `send` does."""
        await self.send(json.dumps(value).decode("utf-8"))

    def relay(self, source: Relayed, encode: Callable[[Any], Any] | None = None) -> Relay:
        """Return a Relay, which passes on to the peer what a room is sent, without this handler.

        `async with ws.relay(room): ...` does so beside what the block does, and `await
        ws.relay(room)` until the peer leaves; what it sends meanwhile is dropped then. See `Relay`
        for the order.

        source: a Broadcast, from when the block is entered; or a Subscription that nothing else
        takes from, with all that waits there. encode: makes a message of an item, once for all
        receivers that were given the same function. A message is str for text, bytes for binary,
        and anything else is sent as one text message of JSON.

        A peer that is slow keeps its place in the room, and loses or is closed by the room's own
        rule; "close" and "error" close with 1013. What `encode` raises closes with 1011 and comes
        out of the block, as Lagged does. Raise UsageError for another source.
        """
        return Relay(SocketOutlet(self, self._relays, encode), source)

    async def _after_relays(self) -> None:
        for relay in tuple(self._relays):
            await relay.catch_up()

    async def ping(self) -> float:
        """Send a ping, wait for its pong, and return the seconds between (RFC 6455 §5.5.2).

        Raise Disconnected if the client leaves first.
        """
        ping = self._protocol.ping(self._link.now())
        while ping.latency is None:
            self._link.check()
            await self._link.wait()
        return ping.latency

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame and wait for the peer's, `Timeouts.close` seconds at most (RFC 6455
        §7.1.2). Harmless when the session is closed. What relays have to pass on goes out before
        that as far as the peer keeps up, and the rest is dropped.

        code: 1000 to 1014 without 1004 to 1006, or 3000 to 4999 (§7.4); UsageError is raised for
        others. reason: any text with a UTF-8 form; it is cut to 123 bytes (§5.5).
        """
        exchange, link = self._exchange, self._link
        for relay in self._relays:
            relay.pass_on(asked=True)  # As far as the peer keeps up: a close waits for no more.
        self._protocol.close(code, reason, link.now())
        if exchange.interrupt is None:
            await self._until_gone()
        elif exchange.gone is None:
            await shielded(link, self._until_gone)

    async def _until_gone(self) -> None:
        while self._exchange.gone is None:
            await self._link.wait()

    def poll(self, link: Link | None = None) -> Any:  # noqa: ARG002  # as in `anylane.realtime.source`
        """Return a message, PENDING or ENDED, for `ctx.select`. Input wakes the exchange's link
        without being asked to."""
        if self._receiving:
            self._check_reader()
        protocol = self._protocol
        if protocol.is_quiet():
            return PENDING
        try:
            message = protocol.poll(self._link.now())
        except Disconnected:
            if self._exchange.interrupt is not None:
                self._link.check()
            return ENDED
        return PENDING if message is None else message

    poll_or_wait = poll

    def attach(self, link: Link) -> None:
        """Do nothing: input wakes the exchange's link without being asked to."""

    detach = attach
    expect_nothing = attach

    def _check_reader(self) -> None:
        if self._receiving:
            raise UsageError(
                "receive() is already waiting in another task; each message has one reader"
            )

    def __aiter__(self) -> WebSocket:
        return self

    # The same function and no coroutine around another: it runs for every message.
    __anext__ = _receive


class SocketOutlet:
    """Where the relays of one WebSocket put what they pass on (see `Outlet`)."""

    __slots__ = ("_encode", "_ws", "link", "relays")

    def __init__(
        self, ws: WebSocket, relays: list[Relay], encode: Callable[[Any], Any] | None
    ) -> None:
        self._ws = ws
        self._encode = encode
        self.link: Link = ws._link
        self.relays: list[Relay] = relays

    @property
    def join(self) -> Join | None:
        """Return what joins several frames into one; None for messages, which stay apart."""
        return self._ws._protocol.join

    @property
    def kind(self) -> Hashable:
        """Return what the frame of an item depends on."""
        framing = self._ws._protocol.framing
        return None if framing is None else (self._encode, framing)

    def form(self, item: Any) -> Any:
        """Return the frame of an item."""
        message = item if self._encode is None else self._encode(item)
        if isinstance(message, _BYTES):
            message = bytes(message)
        elif not isinstance(message, str):
            message = json.dumps(message).decode("utf-8")
        return self._ws._protocol.form(message)

    def put(self, formed: Any) -> None:
        """Queue a frame."""
        self._ws._protocol.put(formed)

    def give_up(self, failure: BaseException | None) -> None:
        """Close the WebSocket: 1013 for a peer that lags, 1011 for an item that has no form."""
        lagged = failure is None or isinstance(failure, Lagged)
        code, reason = (1013, "too slow") if lagged else (1011, "")
        self._ws._protocol.close(code, reason, self.link.now())

    async def carry_on(self, relay: Relay) -> None:
        """Drop what the peer sends until it leaves, or until the relay is over. Raise Disconnected
        for an end that is not normal."""
        ws, link = self._ws, self.link
        while not relay.over and (message := ws.poll()) is not ENDED:
            if message is PENDING:
                if link.exchange.interrupt is not None:
                    await link.hear()
                await link.wait()
        if not relay.over and ws.close_code not in (1000, 1001):
            raise Disconnected(ws.close_code, ws.close_reason)


def _as_bytes(message: object) -> bytes:
    if not isinstance(message, _BYTES):
        raise UsageError(f"a message is {type(message).__name__}; expected str or bytes")
    return bytes(message)


_BYTES = (bytes, bytearray, memoryview)


explain(
    WebSocket,
    {
        "close_code": "it is the peer's; close with one by await ws.close(1000, 'reason')",
        "close_reason": "it is the peer's; close with one by await ws.close(1000, 'reason')",
        "subprotocol": "it was agreed on by await ctx.accept(subprotocol=...)",
        "latency": "await ws.ping() measures it",
    },
)
