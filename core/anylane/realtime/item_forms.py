"""ItemForms: what the items of one room are on a wire, made once for all receivers of a kind."""

from __future__ import annotations

from typing import Any, NamedTuple

from anylane.protocol.interfaces import Join


class Burst(NamedTuple):
    """The forms of several items as one."""

    start: int
    """The number of the first item."""
    end: int
    """The number behind the last."""
    form: Any
    """None if they are too many bytes to be joined."""
    size: int
    """In bytes."""


class ItemForms:
    """The forms of those items of a room that some receiver may still take.

    Receivers of several threads share it, and it lives as long as one of them holds it.

    made: the number of an item -> its form.
    """

    __slots__ = ("__weakref__", "_burst", "_join", "made")

    def __init__(self, join: Join | None = None) -> None:
        """join: None where each form has to be put by itself."""
        self.made: dict[int, Any] = {}
        self._join = join
        self._burst: Burst | None = None

    def at_once(self, start: int, end: int, space: int) -> Any:
        """Return the forms of these items as one; None if one is still to be made, or if they do
        not fit into so many bytes. A single one always fits: who asks has seen that output is not
        over its mark, and that is all that a single item has to wait for.

        They are joined once for all receivers that have come as far. Called with the room's lock
        held.
        """
        if end - start == 1:
            return self.made.get(start)
        burst = self._burst
        if burst is None or burst.start != start or burst.end != end:
            burst = self._joined(start, end)
            if burst is None:
                return None
            self._burst = burst
        return burst.form if burst.size <= space else None

    def _joined(self, start: int, end: int) -> Burst | None:
        made = self.made
        if self._join is None or start >= end or start not in made or end - 1 not in made:
            return None
        forms = [made[number] for number in range(start, end) if number in made]
        if len(forms) < end - start:
            return None
        return Burst(start, end, *(self._join(forms) or (None, 0)))

    def keep(self, number: int, form: Any, oldest: int) -> list[Any]:
        """Keep a form, drop those of items before *oldest*, and return these.

        Called with the room's lock held. They are to live until it is released: what they hold may
        send when it is freed.
        """
        self.made[number] = form
        return self.drop(oldest)

    def drop(self, oldest: int) -> list[Any]:
        """Drop the forms of items before *oldest*, and return them, as `keep` does."""
        made, dropped = self.made, []
        if self._burst is not None and self._burst.start < oldest:
            self._burst = None
        while made and (first := next(iter(made))) < oldest:
            dropped.append(made.pop(first, None))  # A finalizer may have come in between.
        return dropped
