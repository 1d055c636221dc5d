"""WebSocket, as a handler sees it. Framing and the close handshake are tier 0's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane import json
from anylane.errors import Disconnected, UsageError
from anylane.lane.link import BURST
from anylane.protocol.timers import deadline_after
from anylane.realtime.source import ENDED, PENDING

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import WebSocketSession


class WebSocket:
    """One accepted WebSocket. `async for` ends quietly on 1000 and 1001.

    Any number of tasks may send; each message goes out whole. One may receive at a time.
    """

    __slots__ = ("_exchange", "_link", "_protocol", "_receiving")

    def __init__(self, exchange: Exchange, link: Link, protocol: WebSocketSession) -> None:
        self._exchange = exchange
        self._link = link
        self._protocol = protocol
        self._receiving = False

    @property
    def close_code(self) -> int | None:
        """Of the peer's close frame, 1006 without one; None while the session is open."""
        return self._protocol.close_code

    @property
    def subprotocol(self) -> str | None:
        return self._protocol.subprotocol

    @property
    def latency(self) -> float | None:
        """Of the last ping that was answered, in seconds."""
        return self._protocol.latency

    async def receive(self, timeout: float | None = None) -> str | bytes:
        """The next message. Raises Disconnected(code) at the end, TimeoutError when late.

        timeout: seconds. A second concurrent call is a UsageError: each message has one reader.
        """
        message = None if self._receiving else self._protocol.take()
        return await self._receive(timeout, quiet=False) if message is None else message

    async def _receive(self, timeout: float | None = None, *, quiet: bool = True) -> str | bytes:
        """quiet: 1000 and 1001 are an end, and no error."""
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
                    raise TimeoutError(f"no message within {timeout:g} seconds")
                await link.wait()
                message = protocol.take()
                if message is None:
                    message = protocol.poll(driver.now())
            return message
        except Disconnected as exc:
            if quiet and exc.code in (1000, 1001):
                raise StopAsyncIteration from None
            raise
        finally:
            self._receiving = False
            if alarm is not None:
                self._exchange.alarms.cancel(alarm)

    async def receive_json(self, timeout: float | None = None) -> Any:
        """The next message as JSON; ValueError if it is not."""
        return json.loads(await self.receive(timeout))

    async def send(self, message: str | bytes) -> None:
        """Queue one message whole; waits first while the peer is behind.

        Cancelled means not sent: after the last wait nothing can interrupt it.
        """
        if not isinstance(message, str):
            message = _as_bytes(message)
        link, protocol = self._link, self._protocol
        driver, carrier = link.driver, protocol.carrier
        # Where `flush` would return at once it is not called: this runs for every message.
        if carrier.backlog + carrier.queued > carrier.high or driver.written - link.burst > BURST:
            await link.flush()
        protocol.send(message)
        if driver.pumping:
            pass  # It is written as soon as the handler suspends or ends.
        elif protocol.has_messages:
            link.push_soon()  # Whoever has more to answer is about to send more.
        else:
            link.push()

    async def send_json(self, value: Any) -> None:
        """One text message."""
        await self.send(json.dumps(value).decode("utf-8"))

    async def ping(self) -> float:
        """Send a ping and wait for its pong; returns the seconds between."""
        ping = self._protocol.ping(self._link.now())
        while ping.latency is None:
            self._exchange.check()
            await self._link.wait()
        return ping.latency

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and wait for the peer's close frame, up to `Timeouts.close`."""
        self._protocol.close(code, reason, self._link.now())
        while self._exchange.gone is None:
            await self._link.wait()

    def poll(self, link: Link | None = None) -> Any:  # noqa: ARG002  # as in `anylane.realtime.source`
        """For `ctx.select`: a message, PENDING or ENDED. Input wakes the exchange's link anyway."""
        if self._receiving:
            self._check_reader()
        protocol = self._protocol
        if protocol.is_quiet():
            return PENDING
        try:
            message = protocol.poll(self._link.now())
        except Disconnected:
            return ENDED
        return PENDING if message is None else message

    poll_or_wait = poll

    def attach(self, link: Link) -> None:
        pass

    detach = expect_nothing = attach

    def _check_reader(self) -> None:
        if self._receiving:
            raise UsageError(
                "receive() is already waiting in another task; each message has one reader"
            )

    def __aiter__(self) -> WebSocket:
        return self

    # Not a coroutine around another: it runs for every message.
    __anext__ = _receive


def _as_bytes(message: object) -> bytes:
    if not isinstance(message, _BYTES):
        raise UsageError(f"a message is str or bytes, not {type(message).__name__}")
    return bytes(message)


_BYTES = (bytes, bytearray, memoryview)
