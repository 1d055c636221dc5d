"""Position: how far one receiver of a room has come, as relays ask for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from anylane.protocol.interfaces import Join
from anylane.realtime.item_forms import ItemForms


class Position:
    """Half of a `Subscription`: what a relay takes from it, without asking for each item."""

    __slots__ = ("_lost", "_next", "_rest", "_room")

    def __init__(self, room: Any) -> None:
        """room: the Broadcast."""
        self._room = room
        self._next = self._lost = 0
        self._rest: deque[Any] | None = None

    @property
    def waiting(self) -> int:
        """How many times `poll` gives something now, its end included."""
        room = self._room
        with room._lock:
            if self._rest is not None:
                return len(self._rest) + 1
            behind: int = room._first + len(room._items) - self._next
            return min(len(room._items), behind)

    @property
    def next_number(self) -> int:
        """The number of the item that it gives next, as its room counts them."""
        return self._next

    @property
    def end_number(self) -> int:
        """The number behind that of the last item that waits for it."""
        room = self._room
        with room._lock:
            if self._rest is not None:
                return self._next + len(self._rest)
            end: int = room._first + len(room._items)
            return end

    @property
    def cut_off(self) -> bool:
        """Whether its room has closed it because it lagged (`on_lag="close"`)."""
        return self._rest is not None and self._lost > 0 and self._room.on_lag == "close"

    def forms(self, kind: Hashable, join: Join | None = None) -> ItemForms:
        """Return what keeps the forms of its room's items, one for each kind.

        join: of all that are of this kind (see `ItemForms`).
        """
        with self._room._lock:
            forms: ItemForms = self._room._forms.setdefault(kind, ItemForms(join))
            return forms

    def poll_all(self, forms: ItemForms, space: int) -> Any:
        """Take all items that wait, and return their forms as one, which is joined once for all
        receivers that have come as far. For four items that takes 0.4 of what `poll` and `form`
        take.

        Return None, and take nothing, where nothing waits, where a form is still to be made, where
        they do not fit into *space* bytes, and where the room has closed this receiver, has lost
        items of it, or is being changed.
        """
        # As `poll` for each of them, without the calls.
        room = self._room
        gone: list[Any] | None = None
        with room._lock:
            if room._changing:
                return None  # Only a finalizer or a signal handler gets here.
            # Set before anything is read: they may interrupt this, too, and are put off then.
            room._changing = True
            try:
                at = self._next - room._first
                if self._rest is not None or at < 0:
                    return None
                end = room._first + len(room._items)
                form = forms.at_once(self._next, end, space)
                if form is None:
                    return None
                room._at[at] -= 1
                room._at[-1] += 1
                self._next = end
                if not room._at[0]:
                    gone = []
                    room._trim(gone)
            finally:
                room._changing = False
                if room._later:
                    room._make_later(gone := gone or [])
        return form

    def form(self, forms: ItemForms, make: Callable[[], Any]) -> Any:
        """Return the form of the item that it gave last, made once; raise what `make` raises."""
        room, number = self._room, self._next - 1
        form = forms.made.get(number)
        if form is None:
            form = make()
            with room._lock:
                _dropped = forms.keep(number, form, room._first)
        return form
