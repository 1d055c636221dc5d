"""Around: what all layers around a connection have in common.

A layer has exactly the inputs and outputs of `Connection`, so no driver knows that it is there. It
settles something with the peer first (a TLS handshake, the header of a proxy), and then makes the
connection inside.
"""

from __future__ import annotations

from copy import copy
from typing import Any, Self

from anylane.config.server_config import ServerConfig
from anylane.protocol.any_connection import AnyConnection
from anylane.protocol.exchange import Exchange
from anylane.protocol.interfaces import Closing
from anylane.protocol.timers import NEVER, Timers


class Around:
    """The members of a layer to which it has nothing to add (see `Connection`). There is no
    connection inside until the layer has made it.

    config: the server's settings. refused: it is made for a client for which there is no place.
    """

    __slots__ = ("_closing", "_inner", "_timers", "_unsent", "config", "refused")

    proxy: Any = None
    hosted: Any = None

    def __init__(self, config: ServerConfig, *, refused: bool = False) -> None:
        self.config: ServerConfig = config
        self.refused: bool = refused
        self._inner: AnyConnection | None = None
        self._closing = Closing.NO
        self._timers = Timers()
        self._unsent = 0

    # -- inputs

    def data_taken(self, taken: int, pending: int, now: float) -> None:
        if self._inner is not None:
            self._inner.data_taken(taken, pending, now)

    def data_unsent(self, size: int, now: float) -> None:
        self._unsent = size
        if self._inner is not None:
            self._inner.data_unsent(size, now)

    def shutdown(self, now: float) -> None:
        if self._inner is not None:
            self._inner.shutdown(now)
        else:
            self._leave()

    def dismiss(self, now: float) -> None:
        if self._inner is not None:
            self._inner.dismiss(now)
        else:
            self._leave()

    def abort(self) -> None:
        if self._inner is not None:
            self._inner.abort()
        self._close(Closing.ABORT)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._timers.clear_all()
        self._close(Closing.ABORT)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def forget(self, exchange: Exchange) -> None:
        if self._inner is not None:
            self._inner.forget(exchange)

    def release(self) -> None:
        if self._inner is not None:
            self._inner.release()

    def relieve(self, stuck: Exchange, now: float) -> Self:
        """Return a layer in the same state around the connection inside that goes on. This one
        must not be given any input, nor asked for output, but to be told that it is lost."""
        assert self._inner is not None, "without a connection inside there is no handler"
        reliever = copy(self)
        reliever._timers = Timers()  # Where there is a connection inside, none is set.
        reliever._inner = self._inner.relieve(stuck, now)
        return reliever

    # -- outputs

    def next_exchange(self) -> Exchange | None:
        return None if self._inner is None else self._inner.next_exchange()

    def next_deadline(self) -> float | None:
        own = self._timers.next()
        deadline = None if self._inner is None else self._inner.next_deadline()
        if own == NEVER:
            return deadline
        return own if deadline is None else min(own, deadline)

    @property
    def deadline_bound(self) -> float:
        own = self._timers.bound
        return own if self._inner is None else min(own, self._inner.deadline_bound)

    @property
    def closing(self) -> Closing:
        return self._closing if self._inner is None else max(self._closing, self._inner.closing)

    @property
    def read_size(self) -> int | None:
        return self.config.http_buffer_size if self._inner is None else self._inner.read_size

    @property
    def waiting(self) -> list[Exchange]:
        return [] if self._inner is None else self._inner.waiting

    @property
    def ready(self) -> bool:
        return self._inner is not None and self._inner.ready

    @property
    def handler_due(self) -> float:
        return NEVER if self._inner is None else self._inner.handler_due

    @property
    def unsent(self) -> int:
        return self._unsent if self._inner is None else self._inner.unsent

    @property
    def pending(self) -> int:
        return 0 if self._inner is None else self._inner.pending

    @property
    def congested(self) -> bool:
        return self._inner is not None and self._inner.congested

    @property
    def caught_up(self) -> bool:
        return self._inner is None or self._inner.caught_up

    # -- the end, for the layer

    def _leave(self) -> None:
        """Close; abort where closing would wait for a peer that reads nothing."""
        self._timers.clear_all()
        self._close(Closing.ABORT if self._unsent else Closing.CLOSE)

    def _close(self, how: Closing) -> None:
        """Close as far as `how` says. It never closes less than before."""
        self._closing = max(self._closing, how)
