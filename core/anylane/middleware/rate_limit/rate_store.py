"""RateStore: where requests are counted."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from anylane.middleware.rate_limit.gcra import Rate, Usage


@runtime_checkable
class RateStore(Protocol):
    """Counts requests. It may be used from any thread.

    `hit` is awaited in the task of the exchange. It has to be one step for each key: of two
    requests at once, the second sees the first. What is kept of a key is one number, and it may be
    forgotten `Usage.reset` seconds later. What `hit` raises is a logged 500.
    """

    async def hit(self, key: str, rate: Rate) -> Usage:
        """Count one request of a client, by `Rate.after_one` on a clock of the store's own."""
        ...
