"""Apps that tell of themselves: the ids in the lines of a log, and spans."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from anylane import App, Context, Router
from anylane.contrib import OpenTelemetry
from anylane_backends.logging import JsonFormatter, current_ids
from anylane_conformance.contract.answers import stamped

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage

Note = Callable[[str], None]


class _Told(logging.Handler):
    """Leaves each line as a note."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._stage = stage

    def emit(self, record: logging.LogRecord) -> None:
        self._stage.said.append(self.format(record))


def with_lines(app: App, stage: Stage) -> None:
    """Log a line wherever the code of an app runs."""
    logger = logging.Logger("shop")  # noqa: LOG001  # of this stage, and no other
    logger.addHandler(_Told(stage))
    wherever_code_runs(app, logger.info)

    @app.on_connect
    def connect(ctx: Context) -> None:
        logger.info("on_connect")

    @app.on_disconnect
    async def disconnect(ctx: Context) -> None:
        logger.info("on_disconnect")


def wherever_code_runs(app: App, note: Note) -> None:
    """Add handlers below /runs that note where they are."""
    router = Router("/runs")

    @router.request_middleware
    def before(ctx: Context) -> None:
        note("request hook")

    @router.response_middleware
    async def after(ctx: Context) -> None:
        note("response hook")

    async def called(ctx: Context) -> None:
        await ctx.sleep(0)
        note("ctx.call")

    async def later() -> None:
        note("background")

    @router.get("/async")
    async def in_async(ctx: Context) -> str:
        await ctx.sleep(0)
        note("async")
        await ctx.run_sync(note, "run_sync")
        ctx.background(later)
        ctx.background(note, "background def")
        return "async"

    @router.get("/def")
    def in_def(ctx: Context) -> str:
        note("def")
        ctx.call(called, ctx)
        note("def again")
        return "def"

    @router.get("/items")
    async def items(ctx: Context) -> AsyncIterator[str]:
        note("async generator")
        yield "a"
        note("async generator again")

    @router.get("/def-items")
    def def_items(ctx: Context) -> Iterator[str]:
        note("generator")
        yield "a"
        note("generator again")

    @router.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send("event")
            note("event stream")

    @router.websocket("/socket")
    async def socket(ctx: Context) -> None:
        ws = await ctx.accept()
        async for message in ws:
            note("socket")
            await ws.send(message)

    app.include(router)


class _Spans(SpanExporter):
    """Leaves each span that has ended as a note."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            parent, context = span.parent, span.get_span_context()
            assert context is not None
            facts = {
                "name": span.name,
                "kind": span.kind.name,
                "status": span.status.status_code.name,
                "trace": trace.format_trace_id(context.trace_id),
                "span": trace.format_span_id(context.span_id),
                "parent": None if parent is None else trace.format_span_id(parent.span_id),
                "exceptions": [(each.attributes or {})["exception.type"] for each in span.events],
                "attributes": dict(span.attributes or {}),
            }
            self._stage.said.append(json.dumps(facts, default=str))
        return SpanExportResult.SUCCESS


def with_spans(app: App, stage: Stage) -> None:
    """Tell of each form of answer, by spans and metrics."""
    tracers, reader = TracerProvider(), InMemoryMetricReader()
    tracers.add_span_processor(SimpleSpanProcessor(_Spans(stage)))
    app.use(
        OpenTelemetry(
            exclude=["/telemetry"], tracer_provider=tracers, meter_provider=MeterProvider([reader])
        ),
        order=-100,
    )
    stamped(app, stage)
    wherever_code_runs(app, lambda where: stage.said.append(f"{where} {current_ids()['span_id']}"))

    @app.get("/telemetry")
    async def telemetry(ctx: Context) -> dict[str, int]:
        """Answer with how many requests run, and how many were measured."""
        found = {"active": 0, "measured": 0}
        data = reader.get_metrics_data()
        for resource in () if data is None else data.resource_metrics:
            for metric in (each for scope in resource.scope_metrics for each in scope.metrics):
                for point in metric.data.data_points:
                    if metric.name == "http.server.active_requests":
                        found["active"] += int(point.value)  # type: ignore[union-attr]
                    else:
                        found["measured"] += point.count  # type: ignore[union-attr]
        return found
