"""Source: what `ctx.select` can listen to."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anylane.link import Link


class Nothing(Enum):
    """What a source answers when it has no item."""

    PENDING = auto()
    ENDED = auto()


PENDING = Nothing.PENDING
"""None yet."""
ENDED = Nothing.ENDED
"""None ever again."""


class Source(Protocol):
    """A WebSocket, a Subscription, or your own."""

    def poll(self) -> Any:
        """Take one item, or PENDING, or ENDED. Never waits."""

    def attach(self, link: Link) -> bool | None:
        """From now on, call `link.wake()` when `poll` has something new to say.

        True if it is certain to have nothing yet: then it is not asked again before that.
        """

    def detach(self, link: Link) -> None:
        """No longer."""
