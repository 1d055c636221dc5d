"""A stand-in for kqueue(2) with the one filter that we ask, made of poll(2)."""

from __future__ import annotations

import select
from dataclasses import dataclass

KQ_FILTER_READ = -1
KQ_EV_ADD = 0x1
KQ_EV_EOF = 0x8000

ENDED = 0
"""POLLRDHUP."""


@dataclass
class kevent:  # noqa: N801  # Its name in `select`.
    """An event that is asked for, or one that has happened."""

    ident: int
    filter: int
    flags: int


class kqueue:  # noqa: N801
    """What "EV_EOF" says of a socket: the read direction has been shut down, and data may be
    pending still (kqueue(2), EVFILT_READ)."""

    def control(self, changes: list[kevent], max_events: int, timeout: float) -> list[kevent]:
        poll = select.poll()
        for each in changes:
            assert (each.filter, each.flags) == (KQ_FILTER_READ, KQ_EV_ADD)
            poll.register(each.ident, select.POLLIN | ENDED)
        ended = ENDED | select.POLLHUP | select.POLLERR
        return [
            kevent(number, KQ_FILTER_READ, KQ_EV_EOF if events & ended else 0)
            for number, events in poll.poll(timeout * 1000)[:max_events]
        ]

    def close(self) -> None:
        """Do nothing: no descriptor is held."""
