"""Renewals: which workers get a replacement although they live, and how far that is."""

from __future__ import annotations

from collections.abc import Iterable

from anylane_backends.hosting.supervision.crew import Slot
from anylane_backends.hosting.systemd import notify, notify_reloading


class Renewals:
    """The slots whose worker is to be replaced, one after the other.

    recycled: how many were replaced because of what they had reached. failed: whether a new worker
    did not come to accept since the last SIGHUP, so that older ones stay.
    """

    def __init__(self) -> None:
        self._due: dict[Slot, str] = {}
        self._reloading = False
        self.recycled: int = 0
        self.failed: bool = False

    @property
    def reloading(self) -> bool:
        """Whether the service manager waits for the end of a reload."""
        return self._reloading

    def announce(self) -> None:
        """Tell the service manager that a reload begins."""
        notify_reloading()
        self._reloading = True

    def begin(self, slots: Iterable[Slot]) -> None:
        """Have the workers of these slots replaced."""
        self._due = dict.fromkeys(slots, "")
        self.failed = False

    def ask(self, slot: Slot, why: str) -> None:
        """Have one worker replaced. why: behind "worker 123"."""
        self._due.setdefault(slot, why)

    def forget(self, slot: Slot) -> None:
        """Replace nothing in this slot."""
        self._due.pop(slot, None)

    def give_up(self) -> None:
        """Leave all workers as they are: a new one did not come to accept."""
        self._due.clear()
        self.failed = True

    def take(self, now: float) -> tuple[Slot, str] | None:
        """Return a slot that is to have a new worker now, and why; None if there is none. With the
        last one done, the service manager is told."""
        for slot in self._due:
            if now >= slot.not_before:
                return slot, self._due.pop(slot)
        if self._reloading and not self._due:
            self._reloading = False
            notify("READY=1")
        return None

    def times(self) -> list[float]:
        """Return when there may be something to `take`."""
        return [slot.not_before for slot in self._due]
