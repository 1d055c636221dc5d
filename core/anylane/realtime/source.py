"""Source: what `ctx.select` can listen to.

A source never waits by itself; it says whether it has something, and wakes the link that asked.
"""

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
"""There is no item yet."""

ENDED = Nothing.ENDED
"""There will be no item ever again."""


class Source(Protocol):
    """A WebSocket, a Subscription, a LogReader, or one of your own."""

    def poll(self) -> Any:
        """Return an item, PENDING or ENDED. Must not wait.

        What it raises comes out of the loop over `ctx.select`.
        """

    def attach(self, link: Link) -> None:
        """Call `link.wake()` from now on, whenever `poll` has something new to say."""

    def detach(self, link: Link) -> None:
        """Stop calling `link.wake()`."""


class OwnSource(Source, Protocol):
    """A source of the core: asked once, where another is attached, asked again and
    detached."""

    def poll_or_wait(self, link: Link) -> Any:
        """Return an item, PENDING or ENDED. Must not wait.

        After PENDING the link is woken once, when there is something new to say.
        """

    def expect_nothing(self, link: Link) -> None:
        """Do not wake the link for this source any more."""
