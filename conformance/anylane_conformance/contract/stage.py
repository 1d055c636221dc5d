"""Stage: what a case and its handlers share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from anylane import App, Broadcast, EventLog
from anylane_conformance.contract import event_loops

CHUNK = b"x" * 65536


BLOB = 20_000_000
"""Bytes of the large downloads and messages."""


variable: ContextVar[str] = ContextVar("variable", default="unset")


class Stage:
    """What a case and its handlers share."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """As it is when a case begins."""
        self.room: Broadcast[str] = Broadcast()
        self.notes: Broadcast[str] = Broadcast()
        self.log = EventLog(3, epoch="e")
        self.strict: Broadcast[str] = Broadcast(capacity=16, on_lag="close")
        self.said: list[str] = []
        self.produced = 0
        self.kept: Any = None
        self.blocker = threading.Event()
        self.gates: dict[str, event_loops.Gate] = {}
        self.cancels: dict[str, event_loops.Cancel] = {}
        self.life: list[str] = []
        self.guests: list[object] = []

    def note(self, text: str) -> None:
        """For `GET /notes`, which answers when there is one."""
        self.said.append(text)
        self.notes.send(text)


Extra = Callable[[App, Stage], None]
"""Adds to the app what only some cases want: hooks that concern every request or connection."""
