"""OpenDriver: a `Driver` as its server knows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from anylane.lane.arrivals.places import Guest

if TYPE_CHECKING:
    from anylane.lane.link import Link


class OpenDriver(Guest, Protocol):
    """What a server asks of each `Driver` that belongs to it."""

    @property
    def links(self) -> Sequence[Link]:
        """Return those of the exchanges and errands that run."""
        ...

    def shutdown(self) -> None:
        """Drain its connection."""

    def abort(self) -> None:
        """End its connection now, and its handlers."""
