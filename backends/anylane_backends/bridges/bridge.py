"""Bridge: rooms of one process joined to those of others through a broker, whatever its kind.

One thread for each process holds the connection. What comes in enters rooms by `Broadcast.send`,
which any thread may call. What goes out waits in a bounded queue. So handlers never wait for the
broker, on no lane.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Coroutine
from functools import partial
from threading import RLock
from types import TracebackType
from typing import Any, ClassVar, Self, Unpack

from anylane.errors import AnylaneError, UsageError
from anylane.log_limit import LogKind, LogLimit
from anylane.realtime.broadcast import OnLag
from anylane.realtime.rooms import Rooms
from anylane_backends.bridges.address import BrokerAddress
from anylane_backends.bridges.bridged_rooms import (
    BridgedRoom,
    BridgedRooms,
    checked_prefix,
    checked_subject,
)
from anylane_backends.bridges.broker_session import BrokerSession, Deliver, Lose
from anylane_backends.bridges.broker_thread import BrokerThread
from anylane_backends.bridges.envelope import (
    OVERHEAD,
    SENDER_SIZE,
    BadEnvelope,
    decode,
    encode,
    sender_of,
)
from anylane_backends.bridges.settings import BridgeOptions, BridgeSettings
from anylane_backends.bridges.subscribed_rooms import SubscribedRooms
from anylane_backends.bridges.upkeep import CLOSE, FLUSH, Upkeep, reason

logger: logging.Logger = logging.getLogger("anylane.bridge")

IGNORED = LogKind("messages ignored by a bridge", lines=1, seconds=60.0)
"""Messages that no bridge has sent. A publisher decides how many there are."""

_NO_SENDER = b"0" * SENDER_SIZE


class BridgeError(AnylaneError):
    """A broker that a bridge needs to start (`required=True`) cannot be used."""


class Bridge:
    """What bridges to all brokers have in common; see NatsBridge and ValkeyBridge.

    A bridge is a context manager: `app.lifespan(bridge)` starts it in each worker and stops it at
    the end of the drain. `room` and `rooms` work before that too, so rooms may be made at import.
    Until it is started, and after it was stopped, a room is one of this process alone.

    Raise UsageError for a URL that is none of the broker's, for a setting beyond its bound, and if
    the client's library is not installed.
    """

    schemes: ClassVar[tuple[str, ...]] = ()
    """What a URL of its broker begins with."""

    def __init__(
        self, url: str, *, secret: str | None = None, **settings: Unpack[BridgeOptions]
    ) -> None:
        self._address = BrokerAddress.parse(url, self.schemes, secret)
        try:
            self._settings = BridgeSettings(**settings)
        except TypeError as exc:
            named = str(exc).partition(" ")[2]
            raise UsageError(f"{type(self).__name__}() {named}") from None
        self._rooms = SubscribedRooms(self._settings.max_rooms)
        self._lock = RLock()
        self._entered = 0
        self._process = 0
        self._sender = _NO_SENDER
        self._upkeep: Upkeep | None = None
        self._thread: BrokerThread | None = None
        self._past = {"sent": 0, "lost": 0, "reconnects": 0}
        self._received = self._lagged = self._ignored = self._unsent = 0
        self._counting = RLock()  # Handlers on several threads count, and what interrupts them.
        self._log_limit = LogLimit(self._log, time.time)

    def __repr__(self) -> str:
        state = "stopped"
        if self._is_running():
            state = "connected" if self.connected else "not connected"
        return f"<{type(self).__name__} {self._address.shown} {state}>"

    # -- rooms ------------------------------------------------------------------------------------

    def room(
        self, subject: str, capacity: int = 1024, on_lag: OnLag = "drop_oldest"
    ) -> BridgedRoom[Any]:
        """Return the room of a subject, a Broadcast: the same one for everything that asks for it.

        capacity, on_lag: as for `Broadcast`. Raise UsageError for a subject that brokers do not
        take, and for another capacity or on_lag than the room has already.
        """
        checked_subject(subject)
        return self._rooms.get(subject, lambda: BridgedRoom(self, subject, capacity, on_lag))

    def rooms(self, prefix: str, capacity: int = 1024, on_lag: OnLag = "drop_oldest") -> Rooms[Any]:
        """Return Rooms whose subjects begin with a prefix, such as "chat.".

        Raise UsageError for a prefix that brokers do not take.
        """
        checked_prefix(prefix)
        return BridgedRooms(self, prefix, capacity, on_lag)

    # -- what it tells ----------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Return whether the broker answers."""
        upkeep = self._upkeep
        return upkeep is not None and upkeep.connected

    @property
    def lagged(self) -> int:
        """Return how many messages were dropped because they came faster than they left: from the
        queue to the broker, or from what came from it."""
        return self._lagged

    @property
    def lost(self) -> int:
        """Return how many messages of this process did not leave it: there was no broker, or it
        was lost before it had said that it had them."""
        return self._unsent + self._count("lost")

    @property
    def sent(self) -> int:
        """Return how many messages of this process the broker has taken."""
        return self._count("sent")

    @property
    def received(self) -> int:
        """Return how many messages came from other processes."""
        return self._received

    @property
    def ignored(self) -> int:
        """Return how many messages came that no bridge has sent."""
        return self._ignored

    @property
    def reconnects(self) -> int:
        """Return how often the broker was lost and found again."""
        return self._count("reconnects")

    @property
    def subscriptions(self) -> int:
        """Return how many rooms the broker knows that this process wants messages of."""
        upkeep = self._upkeep
        return 0 if upkeep is None else upkeep.subscriptions

    def _count(self, name: str) -> int:
        upkeep = self._upkeep
        now: int = 0 if upkeep is None else getattr(upkeep, name)
        return self._past[name] + now

    # -- its life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start it in this process, and wait for the first try to connect, up to `timeout`.

        If the broker does not answer, that is a warning, and the bridge keeps trying. With
        `required=True` it raises BridgeError. One that runs already is shared, and ends with the
        last that has entered it.
        """
        with self._lock:
            if self._process != os.getpid():
                # A thread does not live on in a fork, and two processes must not be one sender.
                self._entered, self._thread, self._upkeep = 0, None, None
                self._process = os.getpid()
            self._entered += 1
            if self._entered > 1:
                return self
            try:
                self._start()
            except BaseException:
                self._entered = 0
                self._stop()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Send what waits, for half a second at most, and disconnect."""
        with self._lock:
            self._entered -= 1
            if not self._entered:
                self._stop()

    def _start(self) -> None:
        self._sender = os.urandom(SENDER_SIZE // 2).hex().encode()
        self._upkeep = upkeep = Upkeep(
            self._open, self._deliver, self._rooms, self._settings, self._log
        )
        self._thread = BrokerThread(f"anylane {type(self).__name__}")
        self._thread.start(partial(self._main, upkeep))
        upkeep.tried.wait(self._settings.timeout + 1)
        if self._settings.required and not upkeep.connected:
            why = "no answer in time" if upkeep.failure is None else reason(upkeep.failure)
            raise BridgeError(
                self._address.hidden(
                    f"{type(self).__name__} needs {self._address.shown}, which cannot be used "
                    f"({why}); start the broker, or leave out required=True"
                )
            )

    def _stop(self) -> None:
        thread, upkeep = self._thread, self._upkeep
        if thread is None or upkeep is None:
            return
        thread.call_soon(upkeep.stop)
        if not thread.join(FLUSH + 5 * CLOSE):
            self._log("warning", "the client's library did not end in time; it is left behind")
        with self._counting:
            self._unsent += upkeep.outbox.clear()
        self._log_limit.tell_all()
        for name in self._past:
            self._past[name] += getattr(upkeep, name)
        self._thread = self._upkeep = None

    async def _main(self, upkeep: Upkeep) -> None:
        await upkeep.run()

    async def _open(self, deliver: Deliver, lose: Lose) -> BrokerSession:
        """Connect to the broker."""
        raise NotImplementedError

    # -- for its rooms and stores -----------------------------------------------------------------

    def encode(self, item: Any) -> bytes:
        """Return an item as it travels (see `RoomOwner`)."""
        data = encode(item, self._sender)
        upkeep = self._upkeep
        bound = self._settings.max_payload + OVERHEAD
        theirs = None if upkeep is None else upkeep.max_payload
        if len(data) > bound or (theirs is not None and len(data) > theirs):
            whose = "max_payload of the bridge" if len(data) > bound else "the broker's own bound"
            most = min(bound, bound if theirs is None else theirs) - OVERHEAD
            raise UsageError(
                f"an item of a bridged room has {len(data) - OVERHEAD:,} bytes; {whose} is "
                f"{most:,}. Send where it is kept, or raise the bound on both sides"
            )
        return data

    def publish(self, subject: str, data: bytes) -> None:
        """Send a message, if there is a broker (see `RoomOwner`)."""
        upkeep = self._upkeep
        if upkeep is None or not upkeep.connected or not self._is_running():
            with self._counting:
                self._unsent += 1
            return
        if dropped := upkeep.outbox.put(subject, data):
            with self._counting:
                self._lagged += dropped
        self._tell()

    def expect(self, subject: str) -> None:
        """Have messages of a subject come in (see `RoomOwner`)."""
        if self._rooms.expect(subject):
            self._tell()

    def run(self, coroutine: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine on the bridge's thread, and return its future.

        Raise UsageError if the bridge does not run in this process.
        """
        thread = self._thread
        if thread is None or not self._is_running():
            raise UsageError(
                f"{self!r} does not run here; start it with the server: app.lifespan(bridge)"
            )
        return thread.submit(coroutine())

    def _is_running(self) -> bool:
        return self._thread is not None and self._process == os.getpid()

    def _tell(self) -> None:
        """Have the thread look at the queue and the rooms."""
        thread, upkeep = self._thread, self._upkeep
        if thread is not None and upkeep is not None and upkeep.is_news():
            thread.call_soon(upkeep.look)

    def _deliver(self, subject: str, message: bytes) -> None:
        """Give what came in to its room. It is called on the bridge's thread."""
        if sender_of(message) == self._sender:
            return
        if len(message) > self._settings.max_payload + OVERHEAD:
            self._ignore(subject, f"it has {len(message):,} bytes, more than max_payload")
            return
        try:
            _, item = decode(message)
        except BadEnvelope:
            self._ignore(subject, f"no bridge has sent it: {message[:40]!r}")
            return
        self._received += 1
        room = self._rooms.find(subject)
        if room is not None:
            room.deliver(item)

    def _ignore(self, subject: str, why: str) -> None:
        self._ignored += 1
        self._log_limit.log(IGNORED, "warning", f"ignored a message of {subject!r}: {why}")

    def _lag(self) -> None:
        """Count a message that came faster than it could be taken."""
        with self._counting:
            self._lagged += 1

    def _log(self, level: str, message: str) -> None:
        number = logging.getLevelNamesMapping()[level.upper()]
        text = self._address.hidden(message)
        logger.log(number, "%s %s: %s", type(self).__name__, self._address.shown, text)
