"""Parting: what becomes of a WebSocket handler that waits for something foreign when its client has
left.

A wait of `ctx` hears of that by itself. A foreign one would go on for ever, so it is cancelled
natively once it has lasted `Timeouts.close`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane.protocol.exchange import Interrupt

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.interfaces import WebSocketSession


class Parting:
    """Interrupts a handler whose client has left, once a foreign await of it takes too long.

    Its time begins when the client left, anew with each message that the handler still takes, and
    after a wait of `ctx`.
    """

    __slots__ = ("_alarm", "_exchange", "_link", "_waited")

    def __init__(self, exchange: Exchange, link: Link) -> None:
        self._exchange = exchange
        self._link = link
        self._waited = False
        self._arm()

    def renew(self) -> None:
        """Take note that the handler has taken a message: what it awaits next is new."""
        self._exchange.alarms.cancel(self._alarm)
        self._arm()

    def _arm(self) -> None:
        exchange = self._exchange
        deadline = self._link.now() + exchange.carrier.config.timeouts.close
        self._alarm = exchange.alarms.set(deadline, self._due)

    def _due(self) -> None:
        waits, waited = self._link.parked > 0, self._waited
        self._waited = waits
        if waits or waited:  # When its own wait has ended is not known; the time begins here.
            self._arm()
        else:
            self._exchange.interrupted(Interrupt.DISCONNECT)


class Leftover:
    """A WebSocket session after its end, whose messages are still taken: each renews the parting.

    All else is the session's own.
    """

    __slots__ = ("_parting", "_session")

    def __init__(self, session: WebSocketSession, parting: Parting) -> None:
        self._session = session
        self._parting = parting

    def take(self) -> str | bytes | None:
        """Return what the session's `take` returns."""
        message = self._session.take()
        if message is not None:
            self._parting.renew()
        return message

    def poll(self, now: float) -> str | bytes | None:
        """Return what the session's `poll` returns, or raise what it raises."""
        message = self._session.poll(now)
        if message is not None:
            self._parting.renew()
        return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)
