"""OpenTelemetry: a span for each request, the trace of its caller, and what was measured of it.

It asks OpenTelemetry's API only, which does nothing until a program has set up an SDK.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from anylane.contrib.opentelemetry.carried import Carried
from anylane.contrib.opentelemetry.conventions import (
    BUCKETS,
    Attributes,
    error_type,
    failure_of,
    shared_of,
    span_of,
)
from anylane.errors import UsageError
from anylane.extras import load
from anylane.middleware.trusted_peers import trusted_peers
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context

_SCHEMA = "https://opentelemetry.io/schemas/1.23.1"
"""The conventions that the attributes are named after."""

_NANOSECONDS = 1_000_000_000


class OpenTelemetry:
    """Begins a span of the kind SERVER for each request, and ends it with the exchange: of a stream
    or a WebSocket when that ends. Use it first, so that it sees what other parts answer.

    exclude: paths of which nothing is told, such as "/health"; one that ends with `/` stands for
        all below it.
    trust: whose `traceparent`, `tracestate` and `baggage` are taken over (of whatever propagators
        are configured): True for all, False for none, or a list of networks, such as
        ["10.0.0.0/8"], which are the proxies and services in front.
    query: whether spans have `url.query`. It may hold secrets.
    tracer_provider, meter_provider: those of OpenTelemetry's SDK; its global ones unless given.

    Raises UsageError without opentelemetry-api, and for a bad argument.
    """

    name = "OpenTelemetry"

    def __init__(
        self,
        *,
        exclude: Iterable[str] = (),
        trust: bool | Iterable[str] = True,
        query: bool = False,
        tracer_provider: Any = None,
        meter_provider: Any = None,
    ) -> None:
        self._exact, self._below = _excluded(exclude)
        self._trusted = trusted_peers(trust, self.name)
        self._query = query
        self._context, self._propagate, self._trace, metrics = (
            load(f"opentelemetry.{each}", extra="otel", needed_by=self.name)
            for each in ("context", "propagate", "trace", "metrics")
        )
        self._tracer = self._trace.get_tracer(
            "anylane", tracer_provider=tracer_provider, schema_url=_SCHEMA
        )
        meter = metrics.get_meter("anylane", meter_provider=meter_provider, schema_url=_SCHEMA)
        self._active = meter.create_up_down_counter(
            "http.server.active_requests",
            unit="{request}",
            description="Number of active HTTP server requests.",
        )
        self._duration = meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )

    # -- what a part does --------------------------------------------------------------------------

    def request(self, ctx: Context) -> None:
        """Begin the span of a request, and make it current for all that runs for it."""
        self._begin(ctx)

    def response(self, ctx: Context) -> None:
        """Begin the span of what is answered although its request did not come by: by a part
        further out, or because it waited for a thread for too long."""
        self._begin(ctx)

    def _begin(self, ctx: Context) -> None:
        for each in ctx.endings or ():
            if isinstance(each, _Span):
                return  # Two such parts, of an app and of a router, tell of a request once.
        if self._is_excluded(ctx):
            return
        shared = shared_of(ctx)
        name, attributes = span_of(ctx, shared, query=self._query)
        parent = self._context.Context()
        if self._trusted is not None and self._trusted.include(ctx.link.driver.connection):
            parent = self._propagate.extract(ctx.request.headers, parent, Carried)
        started = int(ctx.time() * _NANOSECONDS)
        span = self._tracer.start_span(
            name, parent, self._trace.SpanKind.SERVER, attributes, start_time=started
        )
        ctx.on_end(_Span(self, span, shared, started, ctx.now()))
        self._active.add(1, shared)
        # Never detached: each exchange has a context of its own, which ends with it.
        self._context.attach(self._trace.set_span_in_context(span, parent))

    def _is_excluded(self, ctx: Context) -> bool:
        head = ctx.exchange.head
        path = "" if head is None else head.text.path
        return path in self._exact or (bool(self._below) and path.startswith(self._below))

    # -- at the end of an exchange -----------------------------------------------------------------

    def ended(self, told: _Span, ctx: Context) -> None:
        """End a span with what became of its exchange. For `_Span`."""
        exchange, span = ctx.exchange, told.span
        # What is answered to a client that has left goes nowhere.
        status = exchange.status if exchange.started else 0
        failure = failure_of(ctx, status)
        kind = error_type(ctx, status, failure)
        seconds = ctx.now() - told.began
        late: Attributes = {}
        if status:
            late["http.response.status_code"] = status
        if kind is not None:
            late["error.type"] = kind
        end = told.started + int(seconds * _NANOSECONDS)
        if span.is_recording():
            span.set_attributes(late)
            if failure is not None:
                span.record_exception(failure, timestamp=end)
            if failure is not None or status >= 500:
                span.set_status(self._trace.StatusCode.ERROR)
        span.end(end)
        self._active.add(-1, told.shared)
        if exchange.websocket is None and exchange.raw is None:
            measured = {
                **told.shared,
                "network.protocol.version": ctx.request.version,
                **late,
            }
            if ctx.route is not None:
                measured["http.route"] = ctx.route.pattern.text
            self._duration.record(seconds, measured)


class _Span:
    """A span that has not ended, and what `ctx.on_end` calls then.

    shared: attributes of the requests that run. started: nanoseconds since 1970. began: the same
    moment on the core's clock.
    """

    __slots__ = ("began", "owner", "shared", "span", "started")

    def __init__(
        self, owner: OpenTelemetry, span: Any, shared: Attributes, started: int, began: float
    ) -> None:
        self.owner: OpenTelemetry = owner
        self.span: Any = span
        self.shared: Attributes = shared
        self.started: int = started
        self.began: float = began

    def __call__(self, ctx: Context) -> None:
        self.owner.ended(self, ctx)


def _excluded(paths: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the paths that stand for themselves, and those that stand for all below them. Raise
    UsageError for what is no path."""
    found: list[Any] = [paths] if isinstance(paths, str) else list(paths)
    are_paths = all(isinstance(each, str) and re.fullmatch(r"/[!-~]*", each) for each in found)
    if isinstance(paths, str) or not are_paths:
        raise UsageError(
            f"exclude of OpenTelemetry is {shown(paths)}; expected a list of paths such as "
            "['/health', '/assets/']"
        )
    below = tuple(each for each in found if each.endswith("/") and each != "/")
    return frozenset(found) - {*below}, below
