"""An event stream between its head and its end: heartbeats, and the goodbye of a drain.

It is carried by an HTTP exchange like any other body; what is different is here. It never parses:
a client says nothing in an event stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.errors import Disconnected
from anylane.protocol.sse import HEARTBEAT, encode_fields
from anylane.protocol.timers import Timer

if TYPE_CHECKING:
    from anylane.protocol.connection import Connection
    from anylane.protocol.exchange import Exchange

RETRY = 1000
"""Milliseconds after which a client shall come back to a server that shuts down, where the handler
did not say. Browsers wait 3 to 5 seconds by themselves; a restart is over sooner."""


class EventStreamProtocol:
    """One event stream.

    retry: of the last hint that was sent, in milliseconds. heartbeat: seconds of silence after
    which a comment is sent, None for never.
    """

    __slots__ = ("_conn", "_exchange", "_heartbeat", "_retry")

    def __init__(
        self,
        connection: Connection,
        exchange: Exchange,
        *,
        retry: int | None,
        heartbeat: float | None,
        now: float,
    ) -> None:
        self._conn = connection
        self._exchange = exchange
        self._heartbeat = heartbeat
        self._retry = retry
        if retry is not None:
            exchange.send_data(encode_fields(retry=retry) + b"\n")
        self._rest(now)

    def send(self, block: bytes, now: float, *, retry: int | None = None) -> None:
        """One whole block. retry: the hint that is in it."""
        self._exchange.send_data(block)
        if retry is not None:
            self._retry = retry
        if self._heartbeat is not None:
            self._rest(now)

    def timeout(self, now: float) -> None:
        """HEARTBEAT: nothing was sent for so long."""
        if self._exchange.gone is not None:
            return
        # A client that does not keep up has something to read already; comments on top of it
        # would be a queue that grows while it reads nothing.
        if not self._conn.congested:
            self._exchange.send_data(HEARTBEAT)
        self._rest(now)

    def shutdown(self) -> None:
        """Say when to come back and end the body whole; the handler hears that it is over."""
        retry = RETRY if self._retry is None else self._retry
        self._exchange.send_data(encode_fields(retry=retry) + b"\n")
        self._exchange.send_end()
        self._exchange.lose(Disconnected(None, "the server is shutting down"))

    def end(self) -> None:
        """The body is complete, or nobody reads it any more."""
        self._conn.timers.clear(Timer.HEARTBEAT)

    def _rest(self, now: float) -> None:
        if self._heartbeat is not None:
            self._conn.timers.set(Timer.HEARTBEAT, now + self._heartbeat)
