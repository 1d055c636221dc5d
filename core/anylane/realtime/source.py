"""Source: what `ctx.select` can listen to."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anylane.lane.link import Link


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

    def attach(self, link: Link) -> None:
        """From now on, call `link.wake()` when `poll` has something new to say."""

    def detach(self, link: Link) -> None:
        """No longer."""


class OwnSource(Source, Protocol):
    """One of the core's: it is asked once where others are attached, asked again and detached."""

    def poll_or_wait(self, link: Link) -> Any:
        """As `poll`; after PENDING the link is woken once, when there is something new to say."""

    def expect_nothing(self, link: Link) -> None:
        """Not even that."""
