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
        not fit into so many bytes. A single form is never too large: see `Outgoing.congested`.

        It is joined once for all receivers that have come as far. Called with the room's lock held.
        """
        if end - start == 1:
            return self.made.get(start)
        burst = self._burst
        if burst is None or burst.start != start or burst.end != end:
            burst = self._burst = self._joined(start, end)
        return burst.form if burst is not None and burst.size <= space else None

    def _joined(self, start: int, end: int) -> Burst | None:
        if self._join is None or end <= start:
            return None
        made = self.made
        forms = [made[number] for number in range(start, end) if number in made]
        joined = self._join(forms) if len(forms) == end - start else None
        return None if joined is None else Burst(start, end, *joined)

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
            dropped.append(made.pop(first))
        return dropped
