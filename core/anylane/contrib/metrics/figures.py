"""Figures: what is counted, as metrics of prometheus-client, and what was counted of it already."""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeGuard
from weakref import WeakKeyDictionary

from anylane.errors import UsageError

if TYPE_CHECKING:
    from anylane.lane.host import ServerStatus
    from anylane.protocol.exchange import Exchange
    from anylane.routing.route import Route

METHODS = frozenset(
    (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE")
)
"""The methods of RFC 9110 §9 and RFC 5789."""

OTHER = b"other"
"""The label of any other method for which there is no route, so that no client makes up labels."""

UNMATCHED = "unmatched"
"""The label of requests that have no route: a raw path would be one series for each that a scanner
tries."""


class Room(Protocol):
    """What is asked of a `Broadcast`."""

    @property
    def lagged(self) -> int:
        """Return how many items its receivers have lost so far."""
        ...

    @property
    def receivers(self) -> int:
        """Return how many receive now."""
        ...


class Bridge(Protocol):
    """What is asked of a bridge, which joins rooms of several processes."""

    @property
    def connected(self) -> bool:
        """Return whether its broker answers."""
        ...

    @property
    def sent(self) -> int:
        """Return how many messages the broker has taken."""
        ...

    @property
    def received(self) -> int:
        """Return how many messages came from other processes."""
        ...

    @property
    def lost(self) -> int:
        """Return how many messages did not leave because there was no broker."""
        ...

    @property
    def lagged(self) -> int:
        """Return how many messages came faster than they could be passed on."""
        ...

    @property
    def ignored(self) -> int:
        """Return how many messages came that no bridge has sent."""
        ...

    @property
    def reconnects(self) -> int:
        """Return how often the broker was lost and found again."""
        ...


def is_bridge(value: object) -> TypeGuard[Bridge]:
    """Return whether a value is a bridge."""
    return hasattr(value, "reconnects") and hasattr(value, "connected")


def is_room(value: object) -> TypeGuard[Room]:
    """Return whether a value is a room."""
    return hasattr(value, "lagged") and hasattr(value, "receivers")


class Owner(Protocol):
    """What counts a request at its end."""

    def ended(self, running: Running, ctx: Any) -> None:
        """Count it."""


class Running:
    """A request that has not ended, and what `ctx.on_end` calls then.

    began: when it came, on the core's clock; None if it did not come by. received, sent: bytes that
    were counted already.
    """

    __slots__ = ("began", "counted", "exchange", "owner", "received", "sent", "websocket")

    def __init__(
        self,
        owner: Owner,
        exchange: Exchange,
        *,
        began: float | None = None,
        websocket: bool = False,
        counted: bool = True,
    ) -> None:
        self.owner: Owner = owner
        self.exchange: Exchange = exchange
        self.began: float | None = began
        self.websocket: bool = websocket
        self.counted: bool = counted
        self.received: int = 0
        self.sent: int = 0

    def __call__(self, ctx: Any) -> None:
        if self.counted:
            self.owner.ended(self, ctx)


class Figures:
    """The metrics of one registry under one prefix. They belong to the process, as the registry
    does: any number of apps counts into the same."""

    _known: ClassVar[WeakKeyDictionary[Any, dict[str, Figures]]] = WeakKeyDictionary()
    _lock = allocate_lock()

    def __init__(
        self, library: Any, registry: Any, prefix: str, buckets: tuple[float, ...]
    ) -> None:
        def counter(name: str, text: str, *labels: str) -> Any:
            return library.Counter(f"{prefix}_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Any:
            # Of several processes the sum of those that live.
            return library.Gauge(
                f"{prefix}_{name}", text, labels, registry=registry, multiprocess_mode="livesum"
            )

        self.buckets = buckets
        self.requests: Any = counter(
            "requests", "Requests that have ended.", "method", "route", "status"
        )
        self.seconds: Any = library.Histogram(
            f"{prefix}_request_duration_seconds",
            "From the request to the last byte of its answer, without event streams, WebSockets "
            "and raw streams.",
            ("method", "route"),
            buckets=buckets,
            registry=registry,
        )
        self.in_progress: Any = gauge("requests_in_progress", "Requests and WebSockets that run.")
        self.websockets: Any = gauge("websockets_open", "WebSockets, from their handshake on.")
        self.connections: Any = gauge("connections_open", "Connections that are open.")
        self.accepted: Any = counter("connections_accepted", "Connections that were accepted.")
        self.refused: Any = counter(
            "connections_refused", "Connections for which no place was left."
        )
        self.received: Any = counter("received_bytes", "Bytes of request bodies and messages.")
        self.sent: Any = counter("sent_bytes", "Bytes of response bodies and messages.")
        self.receivers: Any = gauge("broadcast_receivers", "Subscriptions of a room.", "room")
        self.lost: Any = counter("broadcast_lost", "Items that receivers have lost.", "room")
        self.bridged: Any = counter(
            "bridge_messages",
            "Messages of a bridge: sent, received, lost, lagged, ignored.",
            "bridge",
            "what",
        )
        self.bridge_connected: Any = gauge(
            "bridge_connected", "Processes whose bridge has a broker.", "bridge"
        )
        self.reconnects: Any = counter(
            "bridge_reconnects", "Brokers that were lost and found again.", "bridge"
        )
        self.draining: Any = gauge("draining", "Servers that drain.")
        for each in (self.in_progress, self.websockets, self.connections, self.draining):
            each.set(0)  # A file of a process that had the same number may have been there.

    @classmethod
    def of(cls, library: Any, registry: Any, prefix: str, buckets: tuple[float, ...]) -> Figures:
        """Return the figures of a registry and prefix. Raise UsageError if they cannot be made."""
        with cls._lock:
            known = cls._known.setdefault(registry, {})
            found = known.get(prefix)
            if found is None:
                try:
                    found = known[prefix] = cls(library, registry, prefix, buckets)
                except ValueError as exc:
                    raise UsageError(
                        f"Metrics cannot use the prefix {prefix!r}: {exc}; choose another prefix, "
                        "or registry=CollectorRegistry()"
                    ) from exc
        if found.buckets != buckets:
            raise UsageError(
                f"Metrics buckets are {buckets}, but another Metrics has {found.buckets} under the "
                f"same prefix {prefix!r}; give them the same, or another prefix"
            )
        return found

    def series(self, method: bytes, route: Route | None, status: int) -> tuple[Any, Any]:
        """Return the counter and the histogram of such requests."""
        verb = method.decode("ascii")
        pattern = UNMATCHED if route is None else route.pattern.text
        code = str(status) if status else "none"
        return self.requests.labels(verb, pattern, code), self.seconds.labels(verb, pattern)


class WatchedServer:
    """What was counted of one server, so that several servers add up."""

    def __init__(self, status: ServerStatus, figures: Figures) -> None:
        self._status = status
        self._figures = figures
        self._lock = allocate_lock()
        self._accepted = self._refused = self._open = 0
        self._draining = False

    def update(self) -> None:
        """Count what has changed."""
        status, figures = self._status, self._figures
        with self._lock:
            accepted, refused, open_ = status.accepted, status.refused, status.connections
            figures.accepted.inc(accepted - self._accepted)
            figures.refused.inc(refused - self._refused)
            figures.connections.inc(open_ - self._open)
            self._accepted, self._refused, self._open = accepted, refused, open_
            # A server that has drained is gone.
            draining = status.draining and open_ > 0
            if draining is not self._draining:
                self._draining = draining
                figures.draining.inc(1 if draining else -1)


class WatchedRoom:
    """What was counted of one room."""

    def __init__(self, room: Room, figures: Figures, name: str) -> None:
        self._room = room
        self._lost = figures.lost.labels(name)
        self._receivers = figures.receivers.labels(name)
        self._counted = self._shown = 0

    def update(self) -> None:
        """Count what has changed."""
        lost, receivers = self._room.lagged, self._room.receivers
        self._lost.inc(lost - self._counted)
        self._receivers.inc(receivers - self._shown)
        self._counted, self._shown = lost, receivers


class WatchedBridge:
    """What was counted of one bridge."""

    _KINDS = ("sent", "received", "lost", "lagged", "ignored")

    def __init__(self, bridge: Bridge, figures: Figures, name: str) -> None:
        self._bridge = bridge
        self._series = {
            **{kind: figures.bridged.labels(name, kind) for kind in self._KINDS},
            "reconnects": figures.reconnects.labels(name),
            "connected": figures.bridge_connected.labels(name),
        }
        self._counted = dict.fromkeys(self._series, 0)

    def update(self) -> None:
        """Count what has changed."""
        for name, series in self._series.items():
            now = int(getattr(self._bridge, name))
            series.inc(now - self._counted[name])
            self._counted[name] = now
