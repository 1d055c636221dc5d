"""State: the attributes of one request, `ctx.state`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class State(SimpleNamespace):
    """Attributes of your own, for as long as a request lives.

    A part can offer one that is only made when it is asked for: `offer`.
    """

    def __getattr__(self, name: str) -> Any:
        """Make an attribute that was offered. Raise AttributeError for any other: this is only
        called where there is none."""
        offers: dict[str, Callable[[], Any]] = self.__dict__.get(_OFFERS, {})
        if name not in offers:
            raise AttributeError(
                f"ctx.state has no attribute {name!r}; something has to set it first",
                name=name,
                obj=self,
            )
        value = offers[name]()
        setattr(self, name, value)
        return value

    def offer(self, name: str, make: Callable[[], Any]) -> None:
        """Have `make()` called for the attribute of that name when it is first read. An attribute
        that is set counts instead."""
        self.__dict__.setdefault(_OFFERS, {})[name] = make


_OFFERS = "offered by parts"
"""Where `State` keeps its offers: a name that no attribute has."""
