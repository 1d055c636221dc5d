"""The threads lane: one thread selects, a bounded pool of workers steps handlers.

A connection has one owner at a time: the thread that selects, or the worker that steps its
handler. Nobody else touches it: he leaves a message, and the owner looks before it lets go.
Between two steps of a portable handler no thread is held.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from contextvars import copy_context
from functools import partial
from threading import Lock, get_ident
from typing import Any

from anylane.errors import UsageError
from anylane.lane.deadlines import Deadline, Deadlines
from anylane.lane.driver import Driver
from anylane.lane.errand import Errand
from anylane.lane.server_core import ServerCore
from anylane.lane.stepping import SteppedLink, explain, step
from anylane.lane.wake_queue import WakeQueue
from anylane.protocol import Closing, Exchange
from anylane_backends._accepting import Accepting
from anylane_backends._sockets import NO_SOCKET, Outbox, half_close, read, reset
from anylane_backends._workers import Lender, Workers

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_ABANDON = 1.0
"""Seconds between an abort and the end of the server with handlers that still block: a thread
cannot be interrupted."""


class ThreadsDriver(Driver):
    """One connection and its socket.

    `_owned`, `_mail`, `_registered` and `_outbox` are guarded by `_lock`; all the rest is the
    owner's. The verbs may be called on a worker, so whatever concerns the selector waits in
    `_dirty` and `_deadline_wanted` for `_tend`.
    """

    __slots__ = ("_deadline", "_deadline_wanted", "_dirty", "_eof_sent", "_lock", "_mail",
                 "_outbox", "_owned", "_registered", "_sock", "lane")  # fmt: skip

    def __init__(
        self,
        lane: Lane,
        sock: socket.socket,
        peer: Any,
        local: Any,
        errand: Errand | None = None,
    ) -> None:
        self.lane = lane
        self._sock = sock
        self._outbox = Outbox()
        self._lock = Lock()
        self._owned = True
        self._mail: list[Callable[[], None]] | None = None
        self._registered = 0
        self._dirty = False
        self._eof_sent = False
        self._deadline: Deadline | None = None
        self._deadline_wanted: float | None = None
        super().__init__(lane.server, peer=peer, local=local, errand=errand)
        self._do(self.pump)
        self.let_go(selecting=True)

    # -- who owns it -------------------------------------------------------------------------

    def tell(self, func: Callable[[], None]) -> None:
        """On the selecting thread: do it now if the connection is free, else leave a message."""
        with self._lock:
            if self._owned:
                self._post(func)
                return
            self._owned = True
        self._do(func)
        self.let_go(selecting=True)

    def nudge(self) -> None:
        """A link has news. An owner sees that by itself before it lets go."""
        with self._lock:
            if self._owned:
                return
            self._owned = True
        self.let_go(selecting=True)

    def work(self) -> None:
        """On a worker, owning: step what can be stepped."""
        for _ in range(self.server.config.limits.exchanges_per_turn):
            self.take_mail()
            link = self._due()
            if link is None or link.blocked:
                break
            self._do(link.resume)
            if self.lane.workers.jobs:  # Others wait; a client that pipelines gets in line again.
                break
        self.let_go(selecting=False)

    def _post(self, func: Callable[[], None]) -> None:
        """Under the lock: a message to the owner, once."""
        if self._mail is None:  # Most connections never get one: no empty list for each of them.
            self._mail = []
        if func not in self._mail:
            self._mail.append(func)

    def take_mail(self) -> None:
        """By the owner: what came meanwhile."""
        while self._mail:
            self._do(self._mail.pop(0))

    def look(self) -> None:
        """By the owner, in the middle of a handler: what came, what is late; watch for more."""
        if self._mail:
            self.take_mail()
            self.wakes.put(self._watch)
        deadline = self.next_deadline()
        if deadline is not None and deadline <= self.now():
            self._do(self._late)

    def _do(self, func: Callable[[], None]) -> None:
        try:
            func()
        except Exception as exc:  # noqa: BLE001
            # Ours, not the peer's or the handler's: it must not take other connections along.
            self.server.log("error", f"the connection failed: {exc!r}", exc)
            self.lose(exc)

    def let_go(self, *, selecting: bool) -> None:
        """By the owner: give the connection to whoever is next.

        Under one hold of the lock it is seen that there is no message and no news, and the
        ownership ends: nothing can come between. What a worker left to tend goes to the
        selecting thread, still owned.
        """
        while True:
            self.take_mail()
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
                    self.lane.workers.jobs.append(self.work)
                    if not selecting:
                        self.wakes.put(self.lane.workers.spread)
                return
            if not selecting:
                self.wakes.put(partial(self.let_go, selecting=True))
                return

    def _due(self) -> ThreadsLink | None:
        for link in self._links:
            if isinstance(link, ThreadsLink) and (link.latched or not link.begun):
                return link
        return None

    # -- on the selecting thread ---------------------------------------------------------------

    def selected(self, events: int) -> None:
        """The socket is ready."""
        with self._lock:
            owned, self._owned = self._owned, True
            if events & WRITE:
                # Output goes on while a handler blocks.
                self._send_more()
            if owned:
                # Input waits with its owner, and in the kernel; looking away until then costs
                # a system call only where something did come.
                for bit, call in ((READ, self._input), (WRITE, self._sent)):
                    if events & bit:
                        self._post(call)
                self._register(self._registered & ~(events & READ))
                return
        if events & WRITE:
            self._do(self._sent)
        if events & READ:
            self._do(self._input)
        self.let_go(selecting=True)

    def _ring(self) -> None:
        """The deadline has come."""
        self.tell(self._late)

    def _tend(self) -> None:
        """Owning: bring socket, selector and deadline to where the connection wants them."""
        self._dirty = False
        if not self.lost and (self._closing is Closing.ABORT or not self._outbox.size):
            if self._closing >= Closing.CLOSE:
                self.lose(None)
            elif self._closing is Closing.SEND_EOF and not self._eof_sent:
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
        """Close the socket."""
        with self._lock:
            self._outbox.clear()
            if self._closing is Closing.ABORT:
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
        return (READ if self._reading else 0) | (WRITE if self._outbox.size else 0)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def shutdown(self) -> None:
        self.tell(super().shutdown)

    def abort(self) -> None:
        self.lane.give_up_after(_ABANDON)
        self.tell(super().abort)

    # -- by the owner --------------------------------------------------------------------------

    def _input(self) -> None:
        if self.lost or not self._reading:
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
        self._dirty = self._dirty or self._closing is not Closing.NO
        if not self.lost:
            self.writable()

    def _late(self) -> None:
        # An answer that waits in the kernel beats its deadline.
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

    # -- verbs

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

    def start(self, exchange: Exchange) -> None:
        """`_due` finds it: on the selecting thread a worker is called, a worker goes on."""
        self.started(ThreadsLink(self, exchange))

    def detach(self, errand: Errand) -> None:
        ThreadsDriver(self.lane, NO_SOCKET, None, None, errand)

    def arm(self, deadline: float) -> None:
        self._deadline_wanted = deadline
        self._dirty = True

    def set_reading(self, on: bool) -> None:
        """`_interest` looks at it."""

    def close(self, how: Closing) -> None:  # noqa: ARG002  # `_tend` knows
        self._dirty = True

    def _forget_when_over(self) -> None:
        self._dirty = self._dirty or self.lost


class Watch:
    """What a selector finds for a socket that is no connection; a connection is found itself."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def selected(self, _events: int) -> None:
        self._call()


_NOTHING = Variables()


class ThreadsLink(SteppedLink):
    """The Link: a parked coroutine, or a thread that waits for its turn.

    begun: it was stepped once. blocked: a thread waits in `block`, for `turn`.
    """

    __slots__ = ("_coroutine", "_thread", "_variables", "begun", "blocked", "transport",
                 "turn")  # fmt: skip

    def __init__(self, driver: ThreadsDriver, exchange: Exchange) -> None:
        super().__init__(driver, exchange)
        self.transport = driver
        self._variables = driver.lane.variables.copy()
        self._coroutine = driver.server.run_exchange(exchange, self)
        self._thread = 0
        self.begun = False
        self.blocked = False
        self.turn = Lock()

    def notify(self) -> None:
        self.latched = True
        self.transport.nudge()

    def resume(self) -> None:
        """By the owner: step the handler once."""
        self.begun = True
        self._thread = get_ident()
        parked = False
        server = self.driver.server
        try:
            parked = self._variables.run(step, self._coroutine, server.lane)
        except BaseException as exc:  # noqa: BLE001  # SystemExit too ends only its handler
            server.log("error", f"a handler ended its thread's work with {exc!r}", exc)
        finally:
            self._thread = 0
            if not parked:
                self._variables = _NOTHING  # They know us: without a cycle both go at once.
                self.driver.finished(self)

    def look(self) -> None:
        # Not from a thread that the handler made: it does not own the connection.
        if self._thread == get_ident():
            self.transport.look()

    def kick(self) -> None:
        self.look()
        super().kick()

    def drive(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self._thread != get_ident():
            coroutine.close()
            raise UsageError("ctx.call() works in the handler's own thread only, on this lane")
        return super().drive(coroutine)

    def block(self) -> None:
        driver = self.transport
        # Nobody is to wait until this thread is found to be late.
        driver.lane.lender.give_back()
        thread, self._thread = self._thread, 0
        self.turn.acquire(blocking=False)
        self.blocked = True
        driver.let_go(selecting=False)
        self.turn.acquire()
        self.blocked = False
        self._thread = thread


class Lane:
    """One server: its listeners, selector, deadlines and workers.

    What is said to happen on the selecting thread is done by the one that has this role: the
    caller of `run`, or the worker to whom it is lent while handlers are quick.
    """

    def __init__(self, server: ServerCore) -> None:
        self.server = server
        self.selector = selectors.DefaultSelector()
        self.deadlines = Deadlines()
        self.workers = Workers(server.config.max_threads)
        self.lender = Lender(self.workers)
        self.variables = copy_context()
        self._bell, self._hand = socket.socketpair()
        self._bell.setblocking(False)
        self._hand.setblocking(False)
        self.selector.register(self._bell, READ, Watch(self._rung))
        self._asleep = False
        self.accepting = Accepting(server, self)
        self._given_up = False
        self._giving_up: Deadline | None = None
        server.attach(WakeQueue(self._kick), self._changed)

    def run(self) -> None:
        """Until the server has drained."""
        server = self.server
        try:
            step(self._live(), server.lane)
        except RuntimeError as exc:
            # The hooks of the lifespan have nothing to wait for but an event loop.
            why = explain(exc, server.lane)
            if why is None:
                raise
            raise UsageError(why) from exc
        finally:
            self.selector.close()
            self._hand.close()
            self._bell.close()

    async def _live(self) -> None:
        async with self.server.lifespan():
            self.variables = copy_context()  # with what the hooks have set
            self._serve()

    def _serve(self) -> None:
        server = self.server
        try:
            self.accepting.update()
            server.ready()
            while not (server.over or self._given_up):
                self._turn()
                if self.workers.jobs and not self.lender.lend(self._turn, server):
                    self.workers.spread()
        finally:
            left = len(server.drivers)
            if left:
                server.log("warning", f"{left} connections left behind: their handlers block", None)
            self.workers.close(0 if left else None)
            for driver in server.drivers:
                if isinstance(driver, ThreadsDriver):
                    driver.discard()

    def give_up_after(self, seconds: float) -> None:
        """End by then, with handlers that still block."""
        if self._giving_up is not None:
            self._giving_up.cancel()
        self._giving_up = self.deadlines.arm(time.monotonic() + seconds, self._give_up)

    def _give_up(self) -> None:
        self._given_up = True

    # -- selecting -------------------------------------------------------------------------------

    def _turn(self) -> None:
        """What came, what is due, what was put: in this order, so that an answer beats its
        deadline."""
        deadline = self.deadlines.next()
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        # Set before looking, and read by `_kick` after putting: one of the two sees the other.
        self._asleep = True
        busy = self.server.wakes or (self.lender.lent and self.workers.jobs)
        events = self.selector.select(0 if busy else timeout)
        self._asleep = False
        for key, mask in events:
            key.data.selected(mask)
        self.deadlines.fire(time.monotonic())
        self.server.wakes.run()

    def _kick(self) -> None:
        if self._asleep:
            try:
                self._hand.send(b"\0")
            except OSError:  # Full: it will wake. Closed: woken after the end.
                pass

    def _rung(self) -> None:
        read(self._bell)

    # -- accepting -------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self.server.draining and self._giving_up is None:
            self.give_up_after(self.server.config.timeouts.drain + _ABANDON)
        self.accepting.update()

    def watch(self, listener: socket.socket, call: Callable[[], None]) -> None:
        self.selector.register(listener, READ, Watch(call))

    def unwatch(self, listener: socket.socket) -> None:
        self.selector.unregister(listener)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.deadlines.arm(time.monotonic() + seconds, call)

    def connect(self, sock: socket.socket, peer: Any, local: Any) -> None:
        ThreadsDriver(self, sock, peer, local)


class ThreadsBackend:
    """Plain threads; no event loop anywhere."""

    name = "threads"
    concurrent_input = False
    native_cancel = False

    def run(self, server: ServerCore) -> None:
        Lane(server).run()

    async def serve(self, server: ServerCore) -> None:
        """Refused: it would block the running loop."""
        raise UsageError(
            f"the {server.lane} lane blocks its thread, so it cannot serve inside a running loop; "
            "use Server(app, config, 'threads').start()"
        )
