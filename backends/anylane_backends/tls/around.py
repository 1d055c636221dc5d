"""Around: what a layer around a connection only hands on to the one inside."""

from __future__ import annotations

from anylane.protocol import Connection, Exchange
from anylane.protocol.timers import NEVER


class Around:
    """The members of a layer to which it has nothing to add (see `Connection`). There is no
    connection inside until the layer has made it."""

    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner: Connection | None = None

    def data_taken(self, taken: int, pending: int, now: float) -> None:
        if self._inner is not None:
            self._inner.data_taken(taken, pending, now)

    def forget(self, exchange: Exchange) -> None:
        if self._inner is not None:
            self._inner.forget(exchange)

    def release(self) -> None:
        if self._inner is not None:
            self._inner.release()

    def next_exchange(self) -> Exchange | None:
        return None if self._inner is None else self._inner.next_exchange()

    @property
    def waiting(self) -> list[Exchange]:
        return [] if self._inner is None else self._inner.waiting

    @property
    def ready(self) -> bool:
        return self._inner is not None

    @property
    def handler_due(self) -> float:
        return NEVER if self._inner is None else self._inner.handler_due

    @property
    def pending(self) -> int:
        return 0 if self._inner is None else self._inner.pending

    @property
    def congested(self) -> bool:
        return self._inner is not None and self._inner.congested

    @property
    def caught_up(self) -> bool:
        return self._inner is None or self._inner.caught_up
