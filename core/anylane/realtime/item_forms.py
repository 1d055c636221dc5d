"""ItemForms: what the items of one room are on a wire, made once for all receivers of a kind."""

from __future__ import annotations

from typing import Any


class ItemForms:
    """The forms of those items of a room that some receiver may still take.

    Receivers of several threads share it, and it lives as long as one of them holds it.

    made: the number of an item -> its form.
    """

    __slots__ = ("__weakref__", "made")

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}

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
        while made and (first := next(iter(made))) < oldest:
            dropped.append(made.pop(first))
        return dropped
