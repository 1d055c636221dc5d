"""ThreadsDriver: one connection and its socket, with one owner at a time."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from anylane.lane.link import Errand
from anylane.protocol import Closing, Exchange, Interrupt
from anylane.shown import shown
from anylane_backends.sockets import kernel
from anylane_backends.sockets.sockets import NO_SOCKET, half_close, read, reset
from anylane_backends.threads.link import ThreadsLink
from anylane_backends.threads.relief import DriverLane, Relief, RelievableDriver

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


ABANDON = 1.0
"""Seconds between an abort and the end of the server although handlers still block: a thread
cannot be interrupted."""


class ThreadsDriver(RelievableDriver):
    """One connection and its socket.

    `_lock` guards `_owned`, `_mail`, `_registered` and `_outbox`. Everything else belongs to the
    owner: the selecting thread, or the worker that steps the handler. The verbs may be called on a
    worker, so what concerns the selector waits in `_dirty` and `_deadline_wanted` for `_tend`.
    """

    __slots__ = ("_dirty", "_eof_sent", "_mail")

    def __init__(
        self,
        lane: DriverLane,
        sock: socket.socket,
        peer: Any,
        local: Any,
        *,
        errand: Errand | None = None,
        relief: Relief | None = None,
    ) -> None:
        self._mail: list[Callable[[], None]] | None = None
        self._dirty = False
        self._eof_sent = False
        super().__init__(lane, sock, peer, local, errand=errand, relief=relief)
        self._do(self.pump)
        self.hand_over(selecting=True)

    # -- ownership ---------------------------------------------------------------------------

    def tell(self, func: Callable[[], None]) -> bool:
        """Call it now if the connection is free, else leave a message for its owner. Return whether
        it was called. On the selecting thread."""
        with self._lock:
            if self._owned:
                self._post(func)
                return False
            self._owned = True
        self._do(func)
        self.hand_over(selecting=True)
        return True

    def nudge(self) -> None:
        """Take note that a link has news. An owner sees that by itself before it hands over."""
        with self._lock:
            if self._owned:
                return
            self._owned = True
        self.hand_over(selecting=True)

    def work(self) -> None:
        """Step what can be stepped. On a worker that owns the connection."""
        self.reenter()
        for _ in range(self.server.config.limits.exchanges_per_turn):
            self.take_mail()
            link = self._due()
            if link is None or link.blocked:
                break
            if self._deadline_wanted is not None:
                self._foresee()
            self._do(link.resume)
            if self.workers.jobs:  # Others wait; a client that pipelines gets in line again.
                break
        self.hand_over(selecting=False)

    def _post(self, func: Callable[[], None]) -> None:
        """Leave a message for the owner, unless the same waits already. Under the lock."""
        if self._mail is None:  # Most connections never get one: no empty list for each of them.
            self._mail = []
        if func not in self._mail:
            self._mail.append(func)

    def take_mail(self, *, selecting: bool = False) -> None:
        """Do what the messages say that came meanwhile. By the owner."""
        if not self._mail:
            return
        while self._mail:
            self._do(self._mail.pop(0))
        if not selecting:
            # The selecting thread watches no longer what it left a message about. `_tend` may come
            # late: this handler, or the next, may block first, and has to learn what comes then.
            self.wakes.put(self._watch)

    def take_input(self) -> None:
        """Act on what came and on what is late, in the middle of a handler. By the owner."""
        link = self.outside
        if link is not None:
            self.reenter()
        self.take_mail()
        deadline = self.next_deadline()
        if deadline is not None and deadline <= self.now():
            self._do(self._late)
            if self._deadline_wanted is not None:
                self._foresee()
        self.outside = link

    def _do(self, func: Callable[[], None]) -> None:
        try:
            func()
        except Exception as exc:  # noqa: BLE001
            # The fault is ours, not the peer's or the handler's. It must end no other connection.
            self.server.log("error", f"the connection failed: {shown(exc, 1000)}", exc)
            self.lose(exc)

    def hand_over(self, *, selecting: bool) -> None:
        """Give the connection to its next owner, or to none. By the owner.

        The ownership ends under the same hold of the lock under which there is no message and no
        news, so that nothing can come between. If a worker leaves something to tend, the
        connection goes to the selecting thread without being free in between.
        """
        while True:
            self.take_mail(selecting=selecting)
            if selecting:
                self._do(self._tend)
            with self._lock:
                if self._mail:
                    continue
                link = self._due()
                stale = self._dirty or self._registered != self._interest()
                if link is None and not stale:
                    self._owned = False
                    return
            if link is not None:
                if link.blocked:
                    link.turn.release()
                else:
                    workers = self.workers
                    if link.exchange.interrupt is Interrupt.DEADLINE and self.errand is None:
                        workers = self.lane.reserve  # All others may be stuck.
                    self.outside = link
                    workers.jobs.append(self.work)
                    if workers is not self.lane.workers:
                        workers.spread()  # The lane looks after the others only.
                    elif not selecting:
                        self.wakes.put(workers.spread)
                return
            if not selecting:
                self.wakes.put(partial(self.hand_over, selecting=True))
                return

    def _due(self) -> ThreadsLink | None:
        for link in self.links:
            if isinstance(link, ThreadsLink) and (link.latched or not link.begun):
                return link
        return None

    # -- on the selecting thread ---------------------------------------------------------------

    def selected(self, events: int) -> None:
        """Act on a socket that is ready. Called by the lane, with what the selector says."""
        with self._lock:
            owned, self._owned = self._owned, True
            if events & WRITE:
                # Output goes on while a handler blocks.
                self._send_more()
            if owned:
                # Input waits in the kernel until its owner reads it. Not watching it until then
                # costs a system call only where something did come. Room for output is watched
                # while there is something to send: else the selector would return at once, again
                # and again, for as long as the handler blocks.
                for bit, call in ((READ, self._input), (WRITE, self._sent)):
                    if events & bit:
                        self._post(call)
                unwanted = READ if self._outbox.size else READ | WRITE
                self._register(self._registered & ~(events & unwanted))
                return
        if events & WRITE:
            self._do(self._sent)
        if events & READ:
            self._do(self._input)
        self.hand_over(selecting=True)

    def _ring(self) -> None:
        """Act on the deadline, which has come."""
        if not self.tell(self._late):
            self.attend()

    def _tend(self) -> None:
        """Bring socket, selector and deadline to where the connection wants them.

        By the owner, on the selecting thread.
        """
        self._dirty = False
        if not self.lost and (self.closing is Closing.ABORT or not self._outbox.size):
            if self.closing >= Closing.CLOSE:
                self.lose(None)
            elif self.closing is Closing.SEND_EOF and not self._eof_sent:
                self._eof_sent = True
                half_close(self._sock)
        self._watch()
        if self.lost and self._sock.fileno() >= 0:
            self.discard()
        if self._deadline_wanted is not None:
            self._cancel_deadline()
            self._deadline = self.lane.deadlines.arm(self._deadline_wanted, self._ring)
            self._deadline_wanted = None
        if self.is_over():
            self._cancel_deadline()
            self._dirty = False
            self.server.forget(self)
            self.connection.release()

    def discard(self) -> None:
        """Close the socket; with a reset if the connection was aborted."""
        with self._lock:
            self._outbox.clear()
            if self.closing is Closing.ABORT:
                reset(self._sock)
            else:
                self._sock.close()

    def _watch(self) -> None:
        with self._lock:
            self._register(self._interest())

    def _register(self, mask: int) -> None:
        if mask == self._registered:
            return
        selector = self.lane.selector
        if not mask:
            selector.unregister(self._sock)
        elif self._registered:
            selector.modify(self._sock, mask, self)
        else:
            selector.register(self._sock, mask, self)
        self._registered = mask

    def _interest(self) -> int:
        if self.lost:
            return 0
        return (READ if self.reading else 0) | (WRITE if self._outbox.size else 0)

    def shutdown(self) -> None:
        self.tell(super().shutdown)

    def abort(self) -> None:
        self.lane.give_up_after(ABANDON)
        self.tell(super().abort)

    # -- by the owner --------------------------------------------------------------------------

    def _input(self) -> None:
        if self.lost or not self.reading:
            return
        try:
            data = read(self._sock, self.connection.read_size)
        except OSError as exc:
            self.lose(exc)
            return
        if data:
            self.receive(data)
        elif data is not None:
            self.receive_eof()

    def _sent(self) -> None:
        self._dirty = self._dirty or self.closing is not Closing.NO
        if not self.lost:
            self.writable()

    def _late(self) -> None:
        # Input that waits in the kernel beats its deadline.
        self._input()
        self.timeout()

    def _send_more(self) -> None:
        try:
            self._outbox.send(self._sock)
        except OSError as exc:
            self._broken(exc)

    def _broken(self, exc: OSError) -> None:
        self._outbox.clear()
        self._post(partial(self.lose, exc))

    # -- verbs ---------------------------------------------------------------------------------

    def now(self) -> float:
        return time.monotonic()

    def write(self, chunks: list[bytes]) -> None:
        with self._lock:
            try:
                self._outbox.write(self._sock, chunks)
            except OSError as exc:
                self._broken(exc)
            if self._outbox.size and not self._registered & WRITE:
                self.wakes.put(self._watch)

    def unsent(self) -> int:
        return self._outbox.size

    def unacknowledged(self) -> int:
        return kernel.unacknowledged(self._sock.fileno())

    def input_comes_first(self) -> bool:
        return False  # `_late` has read it.

    def arrived(self) -> bool:
        return kernel.arrived(self._sock.fileno())

    def hung_up(self) -> bool:
        return kernel.hung_up(self._sock.fileno())

    def broken(self) -> bool:
        return kernel.broken(self._sock.fileno())

    def start(self, exchange: Exchange) -> None:
        """Leave the link to `_due`. `hand_over` gives it to a worker; a worker goes on with it."""
        if self._relief is None or exchange.errand is not None:
            self.started(ThreadsLink(self, exchange))
        else:
            self.started(ThreadsLink(self, exchange, self._relief.stuck))

    def if_free(self, func: Callable[[], bool]) -> bool:
        with self._lock:
            if self._owned:
                self._post(self._settle)
                return False
            self._owned = True
        answers: list[bool] = []
        self._do(lambda: answers.append(func()))
        self.hand_over(selecting=True)
        return answers == [True]

    def detach(self, errand: Errand) -> None:
        ThreadsDriver(self.lane, NO_SOCKET, None, None, errand=errand)

    def relieved_by(self, sock: socket.socket, relief: Relief) -> None:
        ThreadsDriver(self.lane, sock, None, None, relief=relief)

    def arm(self, deadline: float) -> None:
        self._deadline_wanted = deadline
        self._dirty = True

    def set_reading(self, on: bool) -> None:
        """Do nothing: `_interest` reads `reading`."""

    def close(self, how: Closing) -> None:  # noqa: ARG002  # `_tend` knows
        self._dirty = True

    def _forget_when_over(self) -> None:
        self._dirty = self._dirty or self.lost
