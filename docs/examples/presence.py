"""Who is in which room, in all processes of a chat: each tells the others of its own people.

A process tells them with everything that changes, and now and then anyway, so that one that has
died is forgotten and one that was cut off is known again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from time import monotonic
from typing import Any

from anylane import Broadcast

INTERVAL = 2.0  # seconds between two beats
FORGOTTEN = 3 * INTERVAL  # seconds without one

People = dict[str, list[str]]  # names by room


def me() -> str:
    """This process. Asked each time: what was imported before a fork is of no one process."""
    return f"{socket.gethostname()}-{os.getpid()}"


class Presence:
    """`here` are the people of this process. The owner holds a lock while it uses any of this."""

    def __init__(self, rooms: Iterable[str], beats: Broadcast[dict[str, Any]]) -> None:
        self.here: People = {room: [] for room in rooms}
        self._elsewhere: dict[str, tuple[float, People]] = {}
        self._beats = beats
        self._heard = beats.subscribe()

    def told(self) -> dict[str, Any]:
        """What other processes have to know of this one."""
        return {"from": me(), "here": {room: names[:] for room, names in self.here.items()}}

    def beat(self) -> None:
        self._beats.send(self.told())

    def note(self, told: dict[str, Any]) -> None:
        if told["from"] != me():
            self._elsewhere[told["from"]] = (monotonic(), told["here"])

    def names(self, room: str) -> list[str]:
        """Everybody in a room, wherever they are connected."""
        for _ in range(len(self._heard)):
            self.note(self._heard.poll())
        found = self.here[room][:]
        for process, (moment, people) in tuple(self._elsewhere.items()):
            if monotonic() - moment > FORGOTTEN:
                del self._elsewhere[process]
            else:
                found += people[room]
        return found
