"""EventStore: what makes the EventLogs of several processes the same log."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


class SharedLog(Protocol):
    """What a store asks of an EventLog. Any thread may call it."""

    capacity: int
    """How many events are kept."""

    def receive(self, epoch: str, number: int, data: Any, event: str | None) -> None:
        """Take an event to which the store has given a place."""

    def stands_at(self, epoch: str, number: int) -> None:
        """Take note of the place of the last event that the store has, 0 if it has none.

        A store calls this once it has handed over the events that it has. Until then clients wait.
        """


@runtime_checkable
class EventStore(Protocol):
    """Gives the events of one log their places, and hands all of them to the log of each process
    in that order. It may be used from any thread."""

    def open(self, log: SharedLog) -> None:
        """Take the log that events are handed to. It is called once, when the log is made."""
        ...

    def append(self, data: str | bytes, event: str | None) -> None:
        """Have an event stored, and then received by every log, this process's too. Never block.

        data: a str is a text; bytes are JSON in UTF-8. event: its type. Raise UsageError for one
        that cannot be stored.
        """
        ...
