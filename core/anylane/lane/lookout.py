"""Lookout: what a driver asks the kernel, and when, so that no deadline is judged unseen.

A kernel says when a socket is readable or writable, and nothing else by itself. How far the peer
has taken our output, and whether it has left while its input is not being read, has to be asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.lane.transport import Transport
from anylane.protocol.interfaces import Closing
from anylane.protocol.timers import NEVER

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

    __slots__ = ("_gave_way", "look_at")

    def __init__(self) -> None:
        self.look_at: float = NEVER
        self._gave_way = False

    def input_comes_first(self) -> bool:
        """Return whether bytes wait to be read before a deadline is judged that has come: they came
        in time, and the loop was late. Once for each: a flood must not put it off for ever."""
        first = self.reading and not self._gave_way and self.arrived()
        self._gave_way = first
        return first

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
        if now >= self.look_at:
            self._look_for_peer(now)

    def watch(self) -> None:
        """Take note that the reader was parked or resumed. A parked reader does not hear of a
        client that leaves, so it is looked for, once in `Timeouts.look` seconds.

        Not where everything is to be closed once it was written: writing notices, and has a
        deadline.
        """
        watched = not self.reading and self.connection.closing < Closing.CLOSE
        self.look_at = self.now() + self.server.config.timeouts.look if watched else NEVER

    def _look_for_peer(self, now: float) -> None:
        self.watch()
        if self.broken():
            self.connection.connection_lost(ConnectionResetError("connection reset by peer"))
        elif self.hung_up():
            self.connection.peer_left(now)

    def _report_taken(self, unsent: int, now: float) -> None:
        # Of a first answer that waits for the loop's next turn the kernel knows nothing yet.
        pending = unsent + (self.unacknowledged() if self.written > unsent else 0)
        self.connection.data_taken(self.written - pending, pending, now)
