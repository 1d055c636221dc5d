"""Places: who may stay where `max_connections` clients are there, and who goes for a newcomer.

While places are free nothing is kept of a connection but its count. When the last one is taken, all
are looked at once. From then on each driver says by itself that its connection has become idle
(`Places.note`), so no newcomer costs another look at all of them.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from anylane.protocol.client_counts import ClientCounts
from anylane.protocol.refusal import Refusal
from anylane.protocol.timers import NEVER

if TYPE_CHECKING:
    from anylane.config.server_config import ServerConfig
    from anylane.lane.host import Log
    from anylane.lane.link import Errand
    from anylane.protocol.any_connection import AnyConnection
    from anylane.protocol.interfaces import Closing
    from anylane.protocol.peer import Address

LEAVING = 64
"""Connections that may be on their way out at once beside `max_connections`: as many as come in one
turn of a lane. Those that were let go delay the next newcomer beyond that; of those that were
refused the first is closed."""

CALM = 60.0
"""Seconds without an event until a state that was logged counts as over. So a house that is full
again and again writes two lines a minute at most."""


class Guest(Protocol):
    """What is asked of each open `Driver`, and of its transport."""

    @property
    def connection(self) -> AnyConnection:
        """Return what it drives."""
        ...

    @property
    def links(self) -> Sequence[object]:
        """Return those of the exchanges and errands that run."""
        ...

    @property
    def errand(self) -> Errand | None:
        """Return what it was made for, where there is no connection."""
        ...

    @property
    def lost(self) -> bool:
        """Return whether the transport is gone."""
        ...

    @property
    def pumping(self) -> bool:
        """Return whether it is at work."""
        ...

    @property
    def closing(self) -> Closing:
        """Return what the transport was told last."""
        ...

    @property
    def tolerance(self) -> int:
        """Return how many bytes may be unsent although the kernel would take them."""
        ...

    def now(self) -> float:
        """Return the lane's clock, in seconds."""
        ...

    def unsent(self) -> int:
        """Return how many bytes the kernel has not taken."""
        ...

    def arrived(self) -> bool:
        """Return whether bytes of the peer wait to be read."""
        ...

    def if_free(self, func: Callable[[], bool]) -> bool:
        """Return what the function returns; False if another thread is at work here."""
        ...

    def pump(self) -> None:
        """Look at all outputs."""


def idle_since(guest: Guest) -> float:
    """Return when its last byte came or went, NEVER while something is asked or under way.

    In seconds on the lane's clock. Where no byte came, it is idle since it was made. One that is
    refused has no place that it could give up.
    """
    connection = guest.connection
    if guest.links or guest.lost or guest.closing or guest.pumping or connection.refused:
        return NEVER
    return connection.idle_since


def may_go(guest: Guest) -> bool:
    """Return whether it can be closed for a newcomer: it is idle, and nothing waits in its socket.
    Bytes there are a request."""
    return idle_since(guest) != NEVER and guest.unsent() <= guest.tolerance and not guest.arrived()


def _dismiss(guest: Guest) -> bool:
    """Close it in order, if it may go; return whether it may."""
    if not may_go(guest):
        return False
    guest.connection.dismiss(guest.now())
    guest.pump()
    return True


def _see_off(guest: Guest) -> bool:
    """Close a refused one before its time, in order if it could take its answer."""
    if guest.unsent() > guest.tolerance:
        guest.connection.abort()
    else:
        guest.connection.dismiss(guest.now())
    guest.pump()
    return True


class Places:
    """The places of one server. All but `note` and `refusal_of_named` is called on the lane's own
    thread.

    log: takes what an operator should see. guests: the drivers that are open. tell: has the lane
    look at `has_room` again, in a turn of its own; any thread calls it.

    taken: how many places are. crowded: all are, or were a minute ago, so drivers call `note`.
    came: how many newcomers have got a place so far. refused: how many have got none.
    """

    __slots__ = ("_bounds", "_config", "_first", "_full", "_guests", "_idle", "_leaving", "_let_go",
                 "_lock", "_over_bound", "_refused", "_stuck", "_tell", "_turned_away", "came",
                 "crowded", "refused", "taken")  # fmt: skip

    def __init__(
        self, config: ServerConfig, log: Log, guests: Iterable[Guest], tell: Callable[[], None]
    ) -> None:
        self._config = config
        self._guests = guests
        self._tell = tell
        self._bounds = ClientCounts.of(config)
        # For the bounds and `refused`: on threads a client is named on the thread that has read its
        # header.
        self._lock = allocate_lock()
        # In the order in which they became idle, each with the time at which it did.
        self._idle: OrderedDict[Guest, float] = OrderedDict()
        self._first: tuple[Guest, float] | None = None
        self._leaving: set[Guest] = set()
        self._refused: OrderedDict[Guest, None] = OrderedDict()
        self._stuck = False
        self._let_go = self._turned_away = 0
        self._full = State(log)
        self._over_bound = State(log)
        self.crowded: bool = False
        self.taken: int = 0
        self.came: int = 0
        self.refused: int = 0

    @property
    def open(self) -> int:
        """Return how many connections are open that have got a place, those included that are on
        their way out."""
        return self.taken + len(self._leaving)

    # -- newcomers -----------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Return whether a newcomer can be accepted: into a place, or to be refused."""
        if self.taken < self._config.max_connections or self._config.when_full == "refuse":
            return True
        # It is set before anyone is looked for: on threads one may become idle meanwhile.
        self._stuck = True
        if self._find():
            self._stuck = False
        return not self._stuck

    def refusal(self, peer: Address, now: float, *, plain: bool) -> Refusal | None:
        """Return the connection of a newcomer that gets no place, None for any other newcomer.

        plain: it speaks HTTP without TLS. A handshake is what a client beyond its own bound must
        not cost, so without that it is closed.
        """
        bounds, refuses = self._bounds, self._config.when_full == "refuse"
        if bounds is not None:
            with self._lock:
                reached = bounds.reached(peer)
            if reached is not None:
                return self._beyond(reached, peer, now, plain=plain)
        if refuses and self.taken >= self._config.max_connections and not self._find():
            self._turned_away += 1
            return Refusal(self._config, peer, now, answers=True)
        return None

    def refusal_of_named(
        self, client: Address, proxy: Address, now: float, *, plain: bool
    ) -> Refusal | None:
        """Return the connection in the place of one whose client is over its bound; None, and count
        it, for any other client. By the owner of the connection, on any thread.

        client, proxy: that client, which a PROXY header names, and the peer that has connected.
        plain: as in `refusal`.
        """
        if self._bounds is None:
            return None
        with self._lock:
            reached = self._bounds.reached(client, named=True)
            if reached is None:
                self._bounds.add(client, named=True)
                return None
            self.refused += 1
        return self._beyond(reached, proxy, now, plain=plain)

    def _beyond(self, reached: str, peer: Address, now: float, *, plain: bool) -> Refusal:
        with self._lock:
            self._over_bound.happen(
                now, f"{reached}: its next connections are refused, as are those of all who do"
            )
        answers = plain and self._config.when_full == "refuse"
        return Refusal(self._config, peer, now, answers=answers)

    def add(self, guest: Guest) -> None:
        """Give a newcomer its place. If none is left, the one idle longest goes."""
        if guest.errand is not None:
            return  # Background work has no connection.
        if guest.connection.refused:
            with self._lock:
                self.refused += 1
            self._refused[guest] = None
            if len(self._refused) > LEAVING:
                first, _ = self._refused.popitem(last=False)
                first.if_free(partial(_see_off, first))
            return
        self.taken += 1
        self.came += 1
        if self._bounds is not None:
            with self._lock:
                self._bounds.add(guest.connection.peer)
        if self.taken >= self._config.max_connections:
            self._fill_up(guest.now())
            while self.taken > self._config.max_connections and self._find():
                self._let_first_go()
        elif self.crowded:
            self._calm_down(guest.now())

    def forget(self, guest: Guest) -> None:
        """Take note that a connection is over."""
        if guest.errand is not None or guest.connection.refused:
            self._refused.pop(guest, None)
            return
        was_full = self.taken >= self._config.max_connections
        if guest in self._leaving:
            self._leaving.discard(guest)
        else:
            self.taken -= 1
        if self._bounds is not None:
            connection = guest.connection
            proxy = connection.proxy
            named = proxy is not None and proxy.names_client
            with self._lock:
                self._bounds.remove(connection.peer, named=named)
                if self._over_bound.ends(guest.now()):
                    self._over_bound.end(
                        "no client has reached its bound of late; before, {} connections were "
                        "refused"
                    )
        if self.crowded:
            self._idle.pop(guest, None)
            if was_full:
                self._full.happen(guest.now(), "")
            self._calm_down(guest.now())

    # -- who is idle ---------------------------------------------------------------------------

    def note(self, guest: Guest) -> None:
        """Take note of how long a connection is idle, if it is. By its owner, on any thread."""
        since = idle_since(guest)
        if since == NEVER or self._idle.get(guest) == since:
            return
        self._idle.pop(guest, None)
        self._idle[guest] = since
        if self._stuck:
            self._stuck = False
            self._tell()

    def _find(self) -> bool:
        """Put the one idle longest first, and return whether there is one that can go."""
        if len(self._leaving) >= LEAVING:
            return False
        while True:
            if self._first is None:
                try:
                    self._first = self._idle.popitem(last=False)
                except KeyError:
                    return False
            guest, since = self._first
            if idle_since(guest) != since:
                self._first = None
                self.note(guest)
            elif may_go(guest):
                return True
            else:
                self._first = None  # What it waits for will be noticed, and then it is noted again.

    def _let_first_go(self) -> None:
        assert self._first is not None
        (guest, _), self._first = self._first, None
        # Before it is over, which may be at once.
        self._leaving.add(guest)
        self.taken -= 1
        if guest.if_free(partial(_dismiss, guest)):
            self._let_go += 1
        elif guest in self._leaving:
            self._leaving.discard(guest)
            self.taken += 1

    # -- the state -----------------------------------------------------------------------------

    def _fill_up(self, now: float) -> None:
        else_ = "are refused" if self._config.when_full == "refuse" else "wait"
        self._full.happen(
            now,
            f"all {self._config.max_connections} places are taken (max_connections): for each "
            f"newcomer the connection goes that is idle longest; while none is, newcomers {else_}",
        )
        if self.crowded:
            return
        self.crowded = True
        found = [(since, guest) for guest in self._guests if (since := idle_since(guest)) != NEVER]
        for since, guest in sorted(found, key=lambda each: each[0]):
            self._idle.setdefault(guest, since)

    def _calm_down(self, now: float) -> None:
        if self.taken < self._config.max_connections and self._full.ends(now):
            self.crowded = False
            self._idle.clear()
            self._first = None
            self._full.end(
                f"places are free again; meanwhile {self._let_go} idle connections were let go for "
                f"newcomers, and {self._turned_away} newcomers were refused"
            )
            self._let_go = self._turned_away = 0


class State:
    """A state that is logged when it begins and when it is over, and not at each event.

    log: takes what an operator should see.
    """

    __slots__ = ("_count", "_last", "_log")

    def __init__(self, log: Log) -> None:
        self._log = log
        self._last = NEVER
        self._count = 0

    def happen(self, now: float, message: str) -> None:
        """Take note of one more event. The first is logged, as a warning."""
        if self._last == NEVER:
            self._log("warning", message, None)
        self._last = now
        self._count += 1

    def ends(self, now: float) -> bool:
        """Return whether the last event was so long ago that the state is over."""
        return now >= self._last + CALM

    def end(self, message: str) -> None:
        """Log that it is over. message: may have {} for the number of events."""
        self._log("info", message.format(self._count), None)
        self._last, self._count = NEVER, 0
