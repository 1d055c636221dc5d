"""Stage: gates, notes and rooms that a case and its handlers share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from anylane import App, Broadcast, EventLog
from anylane_conformance.contract import event_loops

CHUNK = b"x" * 65536
"""What streams and floods write again and again."""

BLOB = 20_000_000
"""Bytes of the large downloads and messages."""


KERNEL = 8_000_000
"""Bytes that the two socket buffers of a connection may hold at most (tcp_wmem, tcp_rmem)."""

MEGABYTE = 1_000_000
"""Bytes of an answer that is more than a connection may hold, and quick to send."""


class Stage:
    """What a case and its handlers share.

    room, strict, severe, lenient: broadcasts; clients of the second that lag are closed, those of
    the third are told, and those of the fourth lose something. log: events that are kept.
    notes, said: what handlers tell, for `GET /notes`. produced: how much a stream has written.
    kept: what a handler has left for another one. blocker: what blocking handlers wait for.
    gates, cancels: what native handlers wait for, and what cancels them, by name.
    life: what the lifespan has done. guests: the clients that `on_connect` has seen.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Make it as it is when a case begins."""
        self.room: Broadcast[str] = Broadcast()
        self.notes: Broadcast[str] = Broadcast()
        self.log: EventLog = EventLog(3, epoch="e")
        self.strict: Broadcast[str] = Broadcast(capacity=16, on_lag="close")
        self.severe: Broadcast[str] = Broadcast(capacity=16, on_lag="error")
        self.lenient: Broadcast[str] = Broadcast(capacity=16)
        self.said: list[str] = []
        self.produced = 0
        self.kept: Any = None
        self.blocker: threading.Event = threading.Event()
        self.gates: dict[str, event_loops.Gate] = {}
        self.cancels: dict[str, event_loops.Cancel] = {}
        self.life: list[str] = []
        self.guests: list[object] = []

    def note(self, text: str) -> None:
        """Leave a note for `GET /notes`, which answers when there is one."""
        self.said.append(text)
        self.notes.send(text)


Extra = Callable[[App, Stage], None]
"""Adds to the app what only some cases want: hooks that concern every request or connection."""
