"""Metrics: what Prometheus reads of a server: requests, latency, connections, bytes, broadcasts.

The figures are kept by prometheus-client, which is imported when a `Metrics` is made.
"""

from __future__ import annotations

import re
from _thread import allocate_lock
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from anylane.contrib.metrics.figures import (
    METHODS,
    OTHER,
    Bridge,
    Figures,
    Room,
    Running,
    WatchedBridge,
    WatchedRoom,
    WatchedServer,
    is_bridge,
    is_room,
)
from anylane.contrib.metrics.processes import DIRECTORY, directory, sum_of_all
from anylane.contrib.own_path import OwnPath
from anylane.errors import UsageError
from anylane.extras import load
from anylane.handling.context import Context
from anylane.http.response import Response
from anylane.routing.hooks import STOP
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.lane.host import Host
    from anylane.routing.route import Route

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, in seconds: those of prometheus-client, and two below,
where most answers of a quick app are. Each is one series more for every route."""

REFRESH = 5.0
"""Seconds after which a worker among several brings up to date what only it knows. It walks over
what is open then, 1 ms for a thousand."""

_NO_VERSION = re.compile(r"version=(?!\d+(?:\.\d+)*[ \t]*(?:[;,]|$))")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Metrics:
    """Counts requests and what else a server does, and answers `path` for Prometheus.

    path: where it is read, by GET and HEAD; None for no path of its own (see `render`). prefix:
    begins the names. buckets: upper bounds of the latency histogram, ascending, in seconds.
    registry: a CollectorRegistry of prometheus-client; its default one unless given, so that
    metrics of your own are shown, too. count_itself: whether requests for `path` are counted.

    Raises UsageError without prometheus-client, for a bad argument, for names that the registry
    has already from elsewhere, and where $PROMETHEUS_MULTIPROC_DIR is no folder.
    """

    name = "Metrics"

    def __init__(
        self,
        path: str | None = "/metrics",
        *,
        prefix: str = "anylane",
        buckets: Iterable[float] = BUCKETS,
        registry: Any = None,
        count_itself: bool = False,
    ) -> None:
        self._own_path = None if path is None else OwnPath(path, "Metrics path")
        self._count_itself = count_itself
        if not isinstance(prefix, str) or not _NAME.fullmatch(prefix):  # type: ignore[redundant-expr]
            raise UsageError(
                f"Metrics prefix is {shown(prefix)}; expected letters, digits and _, such as 'shop'"
            )
        bounds = _checked_buckets(buckets)
        self._library = load("prometheus_client", extra="metrics", needed_by="Metrics")
        self._directory = directory()
        if registry is None:
            registry = self._library.REGISTRY
        elif not hasattr(registry, "register"):
            raise UsageError(
                f"Metrics registry is {shown(registry)}; expected a "
                "prometheus_client.CollectorRegistry"
            )
        self._registry = registry
        self._figures = Figures.of(self._library, registry, prefix, bounds)
        self._lock = allocate_lock()
        self._running: set[Running] = set()
        self._series: dict[tuple[bytes, Route | None, int], tuple[Any, Any]] = {}
        self._watched: dict[str, WatchedRoom | WatchedBridge] = {}
        self._hosts: WeakKeyDictionary[Host, WatchedServer] = WeakKeyDictionary()
        self._latest: Host | None = None
        self._due = 0.0
        # Counted, and not told of yet; and the requests that were said to run.
        self._received = self._sent = self._shown = 0

    def watch(self, room: Room | Bridge, name: str) -> None:
        """Show the receivers of a room, and the items that they lose, with the label `name`; or the
        messages of a bridge, and whether it has a broker.

        Nothing is done when something is sent: both count anyway. Raises UsageError for what is
        neither a `Broadcast` nor a bridge, and for a name that is taken.
        """
        watched: WatchedRoom | WatchedBridge
        if not name or name in self._watched:
            raise UsageError(
                f"Metrics.watch() got the name {shown(name)}; expected a str that no other room has"
            )
        if is_bridge(room):
            watched = WatchedBridge(room, self._figures, name)
        elif is_room(room):
            watched = WatchedRoom(room, self._figures, name)
        else:
            raise UsageError(f"Metrics.watch() got {shown(room)}; expected a Broadcast or a bridge")
        with self._lock:
            self._watched[name] = watched

    async def render(self, ctx: Context) -> Response:
        """Return what Prometheus reads, in the format that it accepts: OpenMetrics or text.

        For a route of your own, with middleware that says who may read it. With several processes
        that is the sum over all of them.
        """
        self._refresh(ctx.link.host, ctx.link.now())
        accept = ",".join(ctx.request.headers.get_all("accept"))
        body, content_type = await ctx.run_sync(self._exposition, accept)
        return Response(body, 200, [("cache-control", "no-store")], content_type)

    # -- what a part does --------------------------------------------------------------------------

    @property
    def own_paths(self) -> tuple[str, ...]:
        """The path that it answers, without a route."""
        return () if self._own_path is None else (self._own_path.text,)

    def request(self, ctx: Context) -> Any:
        """Note that a request has come, or answer it if it is for the path of this part."""
        host = ctx.link.host
        if host is not self._latest:
            self._meet(host)
        own = self._own_path is not None and self._own_path.is_target(ctx)
        if own and not self._count_itself:
            ctx.on_end(Running(self, ctx.exchange, counted=False))
        elif not self._knows(ctx):  # It may be used at two levels.
            self._begin(ctx)
        return self._answer(ctx) if own else None

    def response(self, ctx: Context) -> None:
        """Count what is answered although its request did not come by: by a part further out, or
        because it waited for a thread for too long."""
        if not self._knows(ctx):
            ctx.on_end(Running(self, ctx.exchange))

    def ended(self, running: Running, ctx: Context) -> None:
        """Count a request that has come to its end. For `Running`."""
        figures, exchange = self._figures, ctx.exchange
        with self._lock:
            self._running.discard(running)
            # Where a handler is stuck, another exchange has answered for it.
            self._received += running.exchange.received - running.received
            self._sent += exchange.sent - running.sent
        assert exchange.head is not None, "what could not be parsed passes no part"
        method, route = exchange.head.method, ctx.route
        if route is None and method not in METHODS:
            method = OTHER
        key = (method, route, exchange.status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = figures.series(*key)
        requests, seconds = series
        requests.inc()
        if running.began is None:
            return
        now = ctx.link.now()
        if running.websocket:
            figures.websockets.dec()
        elif exchange.raw is None and not _is_event_stream(ctx):
            seconds.observe(now - running.began)
        if self._directory is not None:
            figures.in_progress.dec()
            if not 0 <= self._due - now <= REFRESH:
                self._refresh(ctx.link.host, now)

    async def _answer(self, ctx: Context) -> Any:
        assert self._own_path is not None
        self._own_path.check_method(ctx)
        rendered = await self.render(ctx)
        ctx.response.set_status(200).set_header("content-type", rendered.headers["content-type"])
        ctx.response.set_header("cache-control", "no-store").set_body(rendered.body or b"")
        return STOP

    def _knows(self, ctx: Context) -> bool:
        """Return whether the end of this exchange will be told of already."""
        for each in ctx.endings or ():  # noqa: SIM110  # a generator takes three times as long
            if isinstance(each, Running) and each.owner is self:
                return True
        return False

    def _begin(self, ctx: Context) -> None:
        websocket = ctx.route is not None and ctx.route.websocket
        running = Running(self, ctx.exchange, began=ctx.link.now(), websocket=websocket)
        with self._lock:
            self._running.add(running)
        ctx.on_end(running)
        if self._directory is not None:
            self._figures.in_progress.inc()
        if websocket:
            self._figures.websockets.inc()

    # -- what is looked at -------------------------------------------------------------------------

    def _meet(self, host: Host) -> None:
        """Begin to watch a server, with its first request."""
        with self._lock:
            self._latest = host
            if host in self._hosts:
                return
            self._hosts[host] = watched = WatchedServer(host.status, self._figures)
        host.status.watch(watched.update)
        watched.update()
        if host.status.workers > 1 and self._directory is None:
            host.log(
                "warning",
                f"Metrics shows one of {host.status.workers} workers at a time, and another one "
                f"with each scrape: set ${DIRECTORY} to an empty folder for their sum",
                None,
            )

    def _refresh(self, host: Host, now: float) -> None:
        """Bring up to date what no event tells of, and what is cheaper to tell of now and then:
        bytes, requests that run, and the rooms."""
        self._due = now + REFRESH
        figures = self._figures
        with self._lock:
            shown, self._shown = self._shown, len(self._running)
            for running in self._running:
                received, sent = running.exchange.received, running.exchange.sent
                self._received += received - running.received
                self._sent += sent - running.sent
                running.received, running.sent = received, sent
            if self._directory is None:
                # Of several processes each has to tell at once.
                figures.in_progress.inc(self._shown - shown)
            figures.received.inc(self._received)
            figures.sent.inc(self._sent)
            self._received = self._sent = 0
            for each in self._watched.values():
                each.update()
        if (watched := self._hosts.get(host)) is not None:
            watched.update()

    def _exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the figures as bytes, and their content type. It may take milliseconds, so it runs
        in the pool."""
        if _NO_VERSION.search(accept):
            accept = ""  # The library would fail at it.
        encode, content_type = self._library.exposition.choose_encoder(accept)
        registry = self._registry if self._directory is None else sum_of_all(self._directory)
        return encode(registry), content_type


def _is_event_stream(ctx: Context) -> bool:
    # What was answered instead of a handler that is stuck is not to be had from `ctx.response`.
    if ctx.exchange.status != 200:
        return False
    response = ctx.response
    if response.body is not None:
        return False
    return (response.headers.get("content-type") or "").startswith("text/event-stream")


def _checked_buckets(buckets: Iterable[float]) -> tuple[float, ...]:
    """Return them as floats. Raise UsageError unless they ascend from above 0."""
    try:
        bounds = tuple(map(float, buckets))
    except (TypeError, ValueError):
        bounds = ()
    if not bounds or not all(
        low < high < inf for low, high in zip((0.0, *bounds), bounds, strict=False)
    ):
        raise UsageError(
            f"Metrics buckets is {shown(buckets)}; expected ascending seconds, such as (0.01, 0.1)"
        )
    return bounds
