"""MemoryRates: counts requests in the memory of this one process.

Each process counts for itself: with four workers a client may ask four times as often.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from anylane.errors import UsageError
from anylane.lane.link import current_link
from anylane.middleware.expiring import Expiring, core_clock
from anylane.middleware.rate_limit.gcra import Rate, Usage
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.host import Host

MAX_KEYS = 100_000
"""Clients that are remembered, in some 20 MB. With one more, the one is forgotten that asked
longest ago, and begins anew."""


class MemoryRates:
    """A `RateStore` for one process, on the core's clock. max_keys: how many clients it remembers;
    beyond that, those are forgotten that asked longest ago."""

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        if type(max_keys) is not int or max_keys < 1:
            raise UsageError(f"max_keys of MemoryRates is {shown(max_keys)}; expected 1 or more")
        self._table: Expiring[float] = Expiring(max_keys)
        self._lock = allocate_lock()

    def __len__(self) -> int:
        return len(self._table)

    async def hit(self, key: str, rate: Rate) -> Usage:
        """Count one request of a client."""
        now = core_clock()
        with self._lock:
            until, usage = rate.after_one(self._table.get(key, now), now)
            self._table.set(key, until, until, now)
        return usage


class ServerRates:
    """A `RateStore` with counts for each server: two in one process, such as those of two tests,
    have a clock each, and a count of one says nothing by the other's."""

    def __init__(self) -> None:
        self._rates: WeakKeyDictionary[Host, MemoryRates] = WeakKeyDictionary()
        self._lock = allocate_lock()

    async def hit(self, key: str, rate: Rate) -> Usage:
        """Count one request of a client of the server that runs here."""
        host = current_link.get().host
        found = self._rates.get(host)
        if found is None:
            with self._lock:
                found = self._rates.setdefault(host, MemoryRates())
        return await found.hit(key, rate)
