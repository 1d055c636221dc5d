"""Outgoing: what a connection has to send, and how far the peer has taken it.

This is the backpressure of output and its deadline, WRITE_STALL. A kernel holds megabytes, so what
it has taken says little about the peer; what the peer has acknowledged is reported apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from anylane.protocol.interfaces import Closing
from anylane.protocol.pace import Pace
from anylane.protocol.timers import NEVER, Timer, Timers

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.protocol.interfaces import HearsOutput

MAX_JOINED = 65536
"""Bytes that are joined. For more the copy is not worth the call that it saves."""


class Framed(NamedTuple):
    """What many connections get alike, made once: one or more frames, or chunks of a body."""

    chunks: list[bytes]
    """To be written in order."""
    size: int
    """Bytes of all chunks."""
    body: int
    """Bytes that count as sent: `Exchange.sent`."""

    @classmethod
    def of(cls, chunks: Iterable[bytes], body: int | None = None) -> Framed:
        """Return these chunks. body: None for all of their bytes."""
        kept = [*chunks]
        size = sum(map(len, kept))
        return cls(kept, size, size if body is None else body)


def join(several: Sequence[Framed]) -> tuple[Framed, int] | None:
    """Return several in one chunk, and its size in bytes; None for more than `MAX_JOINED`."""
    size = sum(each.size for each in several)
    if size > MAX_JOINED:
        return None
    whole = b"".join(chunk for each in several for chunk in each.chunks)
    return Framed([whole], size, sum(each.body for each in several)), size


_NO = Closing.NO  # A member of an enum takes twice the time of a global to look up.


class Outgoing:
    """Half of a `Connection`, whose docstring names the attributes: what goes to the peer."""

    __slots__ = ("_pace", "_protocol", "_stalled", "_taken", "backlog", "closing", "config", "high",
                 "idle", "moved", "out", "pending", "queued", "timers")  # fmt: skip

    _protocol: HearsOutput

    def __init__(self, config: ServerConfig) -> None:
        self.config: ServerConfig = config
        self.timers: Timers = Timers()
        self.closing: Closing = _NO
        self.idle: bool = False
        self.high: int = config.limits.outbound_high
        self.out: list[Any] = []
        self.queued: int = 0
        self.backlog: int = 0
        self.moved: float = -NEVER
        self.pending: int = 0
        self._taken = 0
        self._pace: Pace | None = None
        self._stalled = False

    def data_unsent(self, size: int, now: float) -> None:
        """Take note that the kernel has not taken `size` bytes of what `data_to_send()` gave.

        This carries backpressure and WRITE_STALL, a deadline that is renewed when the figure
        shrinks.
        """
        if self.closing is Closing.ABORT:
            return
        progress = self.backlog - size
        eased = size <= self.high < self.backlog
        self.backlog = size
        if eased:
            self._protocol.eased(now)
        if size == 0:
            if self._stalled:
                self._stalled = False
                self.timers.clear(Timer.WRITE_STALL)
                self._protocol.sent(now)
        else:
            self.idle = False
            if self._pace is None or not self.timers.is_set(Timer.WRITE_STALL):
                self._stalled = True
                self._begin_to_wait(now)
            elif progress > 0 and not self.pending:  # Else `data_taken` knows better.
                self._pace.moved(progress, now)
        if self.closing is Closing.SEND_EOF and (progress > 0 or size == 0):
            self.timers.set(Timer.LINGER, now + self.config.timeouts.linger)

    def data_taken(self, taken: int, pending: int, now: float) -> None:
        """Take note of what the kernel says when it is asked: the peer has acknowledged `taken`
        bytes since the connection began, and `pending` bytes are still on their way to it.

        Report this before a deadline is judged, and with `data_unsent` where bytes stayed. A
        kernel holds megabytes and says nothing while a slow reader takes them. Progress is what was
        taken of that which was pending at the last look: what was written since then may have gone
        to the kernel of a peer that hangs.
        """
        progress = taken - self._taken if self.pending else 0
        self._taken, self.pending = taken, pending
        if progress > 0:
            self.moved = now
            if self._pace is not None and self.timers.is_set(Timer.WRITE_STALL):
                self._pace.moved(progress, now)
        if not pending:
            self.timers.clear(Timer.WRITE_STALL)
        elif progress > 0 and self.closing is Closing.SEND_EOF and self.owes(now):
            self.timers.set(Timer.LINGER, now + self.config.timeouts.linger)

    def data_to_send(self) -> list[Any]:
        """Remove and return the bytes to write, in order; of a channel, the messages. They belong
        to the caller now, and count as `backlog` until `data_unsent` says otherwise."""
        out = self.out
        if out:
            self.out = []
            self.backlog += self.queued
            self.queued = 0
        return out

    @property
    def unsent(self) -> int:
        """Return how many bytes of output the kernel has not taken yet."""
        return self.backlog + self.queued

    @property
    def congested(self) -> bool:
        """Whether output is over its high mark: writers wait until it has `caught_up`."""
        return self.backlog + self.queued > self.high

    @property
    def caught_up(self) -> bool:
        """Whether output is at or under its low mark: writers that waited go on."""
        return self.unsent <= self.config.limits.outbound_low

    def send(self, data: bytes) -> None:
        """Queue bytes for the transport. They are dropped once the connection is being closed."""
        # Written out in Http1.conclude, WebSocketProtocol.send and EventStreamProtocol.put
        # (tests/test_inlined_copies.py).
        if self.closing is _NO:
            self.out.append(data)
            self.queued += len(data)

    def owes(self, now: float) -> bool:
        """Return whether the peer has not taken all of our output yet, as far as the last look
        says. WRITE_STALL runs then, even if our kernel has all of it: nothing is closed over what a
        slow reader still takes."""
        owes = self.unsent > 0 or self.pending > 0
        if owes and not self.timers.is_set(Timer.WRITE_STALL):
            self._begin_to_wait(now)
        return owes

    def _begin_to_wait(self, now: float) -> None:
        """Set WRITE_STALL: output stays until the peer takes some, at a minimum rate."""
        if self._pace is None:
            timeouts = self.config.timeouts
            self._pace = Pace(
                self.timers,
                Timer.WRITE_STALL,
                rate=self.config.limits.send_rate,
                grace=timeouts.rate_grace,
                pause=timeouts.write_stall,
            )
        self._pace.begin(now)
