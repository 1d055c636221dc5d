"""Outbox: what waits to be sent to a broker, up to a bound. The oldest goes first."""

from __future__ import annotations

from collections import deque
from threading import RLock

Message = tuple[str, bytes]
"""A subject and what is sent to it."""


class Outbox:
    """Messages in order. Any thread may put, a signal handler and a finalizer too.

    max_messages, max_bytes: beyond either the oldest is dropped.
    """

    __slots__ = ("_lock", "_max_bytes", "_max_messages", "_messages", "_size")

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages: deque[Message] = deque()
        self._size = 0
        self._lock = RLock()  # Re-entrant, for what interrupts a put on its own thread.

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, subject: str, data: bytes) -> int:
        """Add a message, and return how many had to go for it."""
        dropped = 0
        with self._lock:
            self._messages.append((subject, data))
            self._size += len(data)
            while len(self._messages) > self._max_messages or (
                self._size > self._max_bytes and len(self._messages) > 1
            ):
                self._size -= len(self._messages.popleft()[1])
                dropped += 1
        return dropped

    def take(self, max_messages: int) -> list[Message]:
        """Take out the oldest messages, that many at most."""
        with self._lock:
            taken = [
                self._messages.popleft() for _ in range(min(max_messages, len(self._messages)))
            ]
            self._size -= sum(len(data) for _, data in taken)
        return taken

    def clear(self) -> int:
        """Drop all messages, and return how many there were."""
        with self._lock:
            count = len(self._messages)
            self._messages.clear()
            self._size = 0
        return count
