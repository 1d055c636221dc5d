"""Lookout: what a driver asks the kernel, and when, so that no deadline is judged unseen.

A kernel says when a socket is readable or writable, and nothing else by itself. How far the peer
has taken our output, and whether it has left while its input is not being read, has to be asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.lane.transport import Transport

if TYPE_CHECKING:
    from anylane.protocol.any_connection import AnyConnection


class Lookout(Transport):
    """The part of a driver that looks.

    connection: what is told. written: bytes that the transport was given. lost: the transport is
    gone. reading: the reader is not parked. look_at: when to look next for a peer that has left,
    NEVER while the reader would notice.
    """

    connection: AnyConnection
    written: int
    lost: bool
    reading: bool
    look_at: float

    __slots__ = ()

    def report(self, now: float) -> None:
        """Tell the connection what has left of its output.

        What the peer has acknowledged is asked only where something stays, or did at the last look:
        it costs a system call.
        """
        unsent = self.unsent()
        if unsent or self.connection.pending:
            self._report_taken(unsent, now)
        self.connection.data_unsent(unsent, now)

    def look(self, now: float) -> None:
        """Look at everything that a deadline may be judged by: one has come."""
        unsent, connection = self.unsent(), self.connection
        self._report_taken(unsent, now)
        if unsent or connection.unsent:
            connection.data_unsent(unsent, now)

    def _report_taken(self, unsent: int, now: float) -> None:
        pending = unsent + self.unacknowledged()
        self.connection.data_taken(self.written - pending, pending, now)
