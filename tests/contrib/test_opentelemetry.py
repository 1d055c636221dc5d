"""OpenTelemetry: one span for each request, whatever its client does, and nothing of its making."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context as TelemetryContext
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from anylane import STOP, App, Context, HTTPError, Router, ServerConfig, UsageError
from anylane.contrib import OpenTelemetry
from anylane.contrib.opentelemetry.carried import Carried
from anylane.http.headers import Headers
from anylane.testing import Lockstep, TestClient, World
from tests.handling.test_gate import CONFIG, FORMS, HANDSHAKE, every_form, play, request

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Counted(SpanProcessor):
    """Counts the spans that begin and those that end."""

    def __init__(self) -> None:
        self.began = self.ended = 0

    def on_start(self, span: Span, parent_context: TelemetryContext | None = None) -> None:
        self.began += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1


class SDK:
    """OpenTelemetry's SDK with exporters in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.counted = Counted()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracers.add_span_processor(self.counted)
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def part(self, **options: Any) -> OpenTelemetry:
        return OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    def spans(self) -> list[ReadableSpan]:
        found = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return found

    def span(self) -> ReadableSpan:
        (found,) = self.spans()
        return found

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (() if data is None else data.resource_metrics)
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def active(self) -> int:
        return sum(point.value for point in self.points("http.server.active_requests"))


@pytest.fixture
def sdk() -> SDK:
    return SDK()


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


# --- what a span says -------------------------------------------------------------------------


def test_a_span_has_the_attributes_of_the_conventions(sdk: SDK) -> None:
    app = App()
    app.use(sdk.part())

    @app.get("/users/{id}")
    async def user(ctx: Context) -> str:
        await ctx.sleep(0.25)
        return "user"

    client = TestClient(app)
    client.get("/users/7?secret=1", headers={"user-agent": "tests/1", "host": "shop:8080"})
    span = sdk.span()
    assert span.name == "GET /users/{id}"
    assert span.kind is trace.SpanKind.SERVER
    assert span.parent is None
    assert facts(span) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/users/{id}",
        "url.scheme": "http",
        "url.path": "/users/7",
        "server.address": "shop",
        "server.port": 8080,
        "client.address": "192.0.2.1",
        "network.peer.address": "192.0.2.1",
        "network.peer.port": 50000,
        "network.protocol.version": "1.1",
        "user_agent.original": "tests/1",
    }
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.start_time is not None and span.end_time is not None
    assert span.end_time - span.start_time == 250_000_000
    (point,) = sdk.points("http.server.request.duration")
    assert dict(point.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/users/{id}",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
    }
    assert (point.count, point.sum) == (1, 0.25)
    assert point.explicit_bounds == (
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
    )  # fmt: skip
    assert sdk.active() == 0


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("shop", ("shop", None)),
        ("shop:8080", ("shop", 8080)),
        ("[::1]", ("::1", None)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_the_server_is_what_the_client_has_asked_for(
    sdk: SDK, host: str, expected: tuple[str, int | None]
) -> None:
    app = App()
    app.use(sdk.part(query=True))
    TestClient(app).get("/nowhere?a=1", headers={"host": host})
    found = facts(sdk.span())
    assert (found["server.address"], found.get("server.port")) == expected
    assert found["url.query"] == "a=1"


def test_a_client_behind_a_trusted_proxy_is_the_one_that_it_names(sdk: SDK) -> None:
    app = App()
    app.use(sdk.part())
    config = ServerConfig(proxy_headers=True, forwarded_allow_ips=("*",))
    headers = {"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
    TestClient(app, config).get("/", headers=headers)
    found = facts(sdk.span())
    assert found["client.address"] == "198.51.100.7"
    assert found["network.peer.address"] == "192.0.2.1"
    assert found["url.scheme"] == "https"


@pytest.mark.parametrize(
    ("trust", "joined"), [(True, True), (["198.51.100.7"], True), (["*"], False)]
)
def test_behind_a_proxy_header_the_peer_is_who_has_connected(
    sdk: SDK, trust: Any, joined: bool
) -> None:
    app = App()
    app.use(sdk.part(trust=trust))
    config = ServerConfig(proxy_protocol=True, forwarded_allow_ips=("192.0.2.1",))
    wire = Lockstep(world=World(app, config), peer=("192.0.2.1", 1))
    wire.receive(
        b"PROXY TCP4 198.51.100.7 192.0.2.9 4711 443\r\n"
        b"GET / HTTP/1.1\r\nHost: a\r\ntraceparent: %b\r\n\r\n" % PARENT.encode()
    )
    span = sdk.span()
    found = facts(span)
    assert found["client.address"] == "198.51.100.7"
    assert (found["network.peer.address"], found["network.peer.port"]) == ("192.0.2.1", 1)
    assert (span.parent is not None) is joined


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_of_any_form_has_one_span_with_its_status(sdk: SDK, form: str) -> None:
    said, status = FORMS[form]
    app = every_form()
    app.use(sdk.part())
    _, wire = play(app, said)
    wire.lose()
    span = sdk.span()
    assert facts(span)["http.response.status_code"] == status
    assert span.status.is_ok is (status < 500)
    error = {"500": "KeyError", "500 of a BaseException": "GeneratorExit", "503": "503"}.get(form)
    assert facts(span).get("error.type") == error
    assert [each.name for each in span.events] == ["exception"] * (status == 500)
    assert sdk.active() == 0


class OwnError(Exception):
    pass


def test_an_exception_is_recorded_with_its_class_wherever_it_comes_from(sdk: SDK) -> None:
    app = App()
    app.use(sdk.part())

    @app.get("/handler")
    async def handler(ctx: Context) -> None:
        raise OwnError("in the handler")

    @app.get("/items")
    async def items(ctx: Context) -> Any:
        yield "a"
        raise OwnError("in the items")

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("a")
            raise OwnError("in the stream")

    @app.websocket("/socket")
    async def socket(ctx: Context) -> None:
        await ctx.accept()
        raise OwnError("in the socket")

    paths = {"/handler": 500, "/items": 200, "/stream": 200, "/socket": 101}
    for path, status in paths.items():
        wire = Lockstep(app)
        wire.receive(request(path, *(HANDSHAKE if status == 101 else ())))
        wire.lose()
        span = sdk.span()
        (event,) = span.events
        assert facts(span)["http.response.status_code"] == status, path
        name = f"{OwnError.__module__}.OwnError"
        assert facts(span)["error.type"] == name, path
        assert event.attributes is not None and event.attributes["exception.type"] == name
        assert span.status.status_code is trace.StatusCode.ERROR, path


def test_what_the_app_has_dealt_with_is_no_error(sdk: SDK) -> None:
    app = App()
    app.use(sdk.part())

    @app.exception_handler(OwnError)
    async def deal(ctx: Context, exc: Exception) -> str:
        ctx.response.set_status(int(str(exc)))
        return "dealt with"

    @app.get("/{status:int}")
    async def fail(ctx: Context) -> None:
        raise OwnError(ctx.params["status"])

    @app.get("/gone")
    async def gone(ctx: Context) -> None:
        raise HTTPError(503)

    client = TestClient(app)
    for path, kind, recorded in (
        ("/200", None, 0), ("/404", None, 0), ("/502", f"{OwnError.__module__}.OwnError", 1),
        ("/gone", "503", 0),
    ):  # fmt: skip
        client.get(path)
        span = sdk.span()
        assert (facts(span).get("error.type"), len(span.events)) == (kind, recorded), path


def test_no_client_makes_up_a_name_or_a_series(sdk: SDK) -> None:
    app = App()
    app.use(sdk.part())
    app.get("/things/{id}")(lambda ctx: "thing")
    client = TestClient(app)
    for number in range(3):
        client.get(f"/things/{number}?{number}", headers={"host": f"h{number}"})
        client.get(f"/nowhere/{number}")
        client.request(f"BREW{number}", f"/things/{number}")
    assert {span.name for span in sdk.spans()} == {"GET /things/{id}", "GET", "HTTP"}
    assert len(sdk.points("http.server.request.duration")) == 3
    assert len(sdk.points("http.server.active_requests")) == 2


def test_long_texts_of_a_client_are_cut(sdk: SDK) -> None:
    app = App()
    app.use(sdk.part(query=True))
    path = "/" + "a" * 3000
    TestClient(app).get(f"{path}?{'b' * 3000}", headers={"user-agent": "c" * 3000})
    TestClient(app).request("D" * 2000, "/")
    first, second = map(facts, sdk.spans())
    assert [len(first[name]) for name in ("url.path", "url.query", "user_agent.original")] == (
        [1024] * 3
    )
    assert len(second["http.request.method_original"]) == 1024


# --- where it is used --------------------------------------------------------------------------


def test_a_mounted_app_and_a_router_tell_of_a_request_once(sdk: SDK) -> None:
    app, inner, router = App(), App(), Router("/below")
    for each in (app, inner, router):
        each.use(sdk.part())
    inner.get("/x/{y}")(lambda ctx: "x")
    router.get("/x")(lambda ctx: "x")
    app.mount("/in", inner)
    app.include(router)
    client = TestClient(app)
    for path in ("/in/x/1", "/below/x", "/in/nowhere"):
        client.get(path)
    assert [span.name for span in sdk.spans()] == ["GET /in/x/{y}", "GET /below/x", "GET"]
    assert sdk.active() == 0


def test_what_a_part_further_out_answers_is_told_too(sdk: SDK) -> None:
    class Stops:
        def request(self, ctx: Context) -> Any:
            ctx.response.set_status(429)
            return STOP

    app = App()
    app.use(Stops(), order=-1)
    app.use(sdk.part())
    TestClient(app).get("/")
    assert facts(sdk.span())["http.response.status_code"] == 429


def test_paths_may_be_left_out(sdk: SDK) -> None:
    app = App()
    app.use(sdk.part(exclude=["/health", "/assets/"]))
    client = TestClient(app)
    for path in ("/health", "/health?full", "/assets/a.css", "/assets/", "/healthy", "/assets"):
        client.get(path)
    assert [facts(span)["url.path"] for span in sdk.spans()] == ["/healthy", "/assets"]
    assert sdk.counted.began == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": "/health"}, "exclude of OpenTelemetry is '/health'; expected a list of paths"),
        ({"exclude": ["health"]}, r"exclude of OpenTelemetry is \['health'\]; expected a list"),
        ({"exclude": [3]}, r"exclude of OpenTelemetry is \[3\]; expected a list of paths"),
        ({"trust": "10.0.0.0/8"}, "trust of OpenTelemetry is '10.0.0.0/8'; expected True, F"),
        ({"trust": [3]}, r"trust of OpenTelemetry is \[3\]; expected a list of str"),
        ({"trust": ["x"]}, "trust of OpenTelemetry has 'x'"),
    ],
)
def test_a_bad_argument_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        OpenTelemetry(**options)


def test_the_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("opentelemetry", "opentelemetry.context"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"pip install 'anylane\[otel\]'"):
        OpenTelemetry()


def test_without_an_sdk_it_does_nothing() -> None:
    app = every_form()
    app.use(OpenTelemetry())
    for said, status in FORMS.values():
        answer, _ = play(app, said)
        assert answer.startswith(f"HTTP/1.1 {status} ")


# --- the trace of the caller -------------------------------------------------------------------


def carried(sdk: SDK, headers: dict[str, str], **options: Any) -> tuple[dict[str, str], Any]:
    """Return what the app's own calls would carry, and the baggage that it sees."""
    app = App()
    sent: dict[str, str] = {}
    app.use(sdk.part(**options))
    seen: list[Any] = []

    @app.get("/")
    def home(ctx: Context) -> str:
        propagate.inject(sent)
        seen.append(dict(baggage.get_all()))
        return "home"

    assert TestClient(app).get("/", headers=headers).status == 200
    return sent, seen[0]


def test_the_trace_of_the_caller_goes_on_and_out(sdk: SDK) -> None:
    headers = {"traceparent": PARENT, "tracestate": "a=1,b=2", "baggage": "who=ada%20l, x=y;p=1"}
    sent, seen = carried(sdk, headers)
    span = sdk.span()
    context = span.get_span_context()
    assert context is not None and span.parent is not None and span.parent.is_remote
    assert sent["traceparent"] == (
        f"00-0af7651916cd43dd8448eb211c80319c-{trace.format_span_id(context.span_id)}-01"
    )
    assert sent["tracestate"] == "a=1,b=2"
    assert seen["who"] == "ada l" and seen["x"].startswith("y")


@pytest.mark.parametrize("trust", [False, [], ["10.0.0.0/8"]])
def test_a_peer_that_is_not_trusted_begins_a_trace_of_its_own(sdk: SDK, trust: Any) -> None:
    sent, seen = carried(sdk, {"traceparent": PARENT, "baggage": "a=b"}, trust=trust)
    assert sdk.span().parent is None
    assert PARENT[3:35] not in sent["traceparent"]
    assert seen == {}


def test_a_trusted_network_is_believed(sdk: SDK) -> None:
    sent, _ = carried(sdk, {"traceparent": PARENT}, trust=["192.0.2.0/24"])
    assert PARENT[3:35] in sent["traceparent"]


HOSTILE = [
    {"traceparent": "x" * 8000},
    {"traceparent": PARENT + "-" + "x" * 600},
    {"traceparent": PARENT.upper()},
    {"traceparent": PARENT, "tracestate": "no members"},
    {"traceparent": PARENT, "tracestate": "a=1,a=2"},
    {"traceparent": PARENT, "tracestate": ",".join(f"a{n}=1" for n in range(33))},
    {"traceparent": PARENT, "tracestate": "a=" + "b" * 300},
    {"baggage": "no pair"},
    {"baggage": "a=b,=c"},
    {"baggage": "a=\xe9"},
    {"baggage": "a=" + "b" * 4200},
    {"baggage": ",".join(f"a{n}=b" for n in range(181))},
    {"baggage": "a=b;=c"},
    {"baggage": 'a="b"'},
]


@pytest.mark.parametrize("headers", HOSTILE, ids=lambda each: ascii(each)[:60])
def test_what_a_client_carries_wrongly_fills_no_log(
    sdk: SDK, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    sent, seen = carried(sdk, headers)
    assert caplog.messages == []
    assert seen == {}
    assert "tracestate" not in sent


MEMBER = st.from_regex(r"\A[ \t]{0,2}[!#-+\-.0-9A-Z^-z|~]{1,9}=[ -~]{0,12}\Z")


@given(
    st.lists(st.one_of(MEMBER, st.text(st.characters(codec="latin-1"), max_size=12)), max_size=6)
)
@example([" 0="])
@example([" a=0"])
@example(["a = b ; p ; q = r "])
@settings(deadline=None)
def test_the_propagators_warn_of_nothing_that_passes(members: list[str]) -> None:
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(handler)
    try:
        value = ",".join(members)
        headers = Headers([("traceparent", PARENT), ("tracestate", value), ("baggage", value)])
        for propagator in (W3CBaggagePropagator(), TraceContextTextMapPropagator()):
            propagator.extract(headers, TelemetryContext(), getter=Carried)  # type: ignore[arg-type]
    except UsageError:
        return  # It cannot be the value of a header.
    finally:
        logger.removeHandler(handler)
    assert said == []


def test_a_propagator_of_another_kind_gets_its_headers() -> None:
    headers = Headers([("b3", "1"), ("X-Own", "a"), ("x-own", "b")])
    assert Carried.get(headers, "b3") == ["1"]
    assert Carried.get(headers, "x-own") == ["a,b"]
    assert Carried.get(headers, "missing") is None
    assert Carried.keys(headers) == ["b3", "x-own"]


def test_what_is_longer_than_a_propagator_reads_is_not_shown_to_it() -> None:
    states = ",".join(f"a{n}={'b' * 250}" for n in range(32))
    members = ",".join(f"a{n}={'b' * 4000}" for n in range(2))
    for value, most in ((states, 8192), (members, 8192)):
        for name in ("tracestate", "baggage"):
            long = value + "b" * (most + 1 - len(value))
            assert Carried.get(Headers([(name, long)]), name) is None
    assert Carried.get(Headers([("baggage", f"a={'b' * 4094}")]), "baggage")
    assert Carried.get(Headers([("baggage", f"a={'b' * 4095}")]), "baggage") is None
    assert Carried.get(Headers([("baggage", ",".join(["a=b"] * 180))]), "baggage")
    assert Carried.get(Headers([("baggage", ",".join(["a=b"] * 181))]), "baggage") is None


# --- every span that begins ends ---------------------------------------------------------------

ENDINGS = ("reset", "end of input", "drain", "abort", "silence", "reads nothing")


def end(wire: Lockstep, how: str) -> None:
    match how:
        case "end of input":
            wire.eof()
        case "drain":
            wire.world.server.shutdown()
            wire.advance(100)
        case "abort":
            wire.world.server.abort()
        case "silence":
            wire.advance(1000)
        case "reads nothing":
            wire.stall()
            wire.advance(1000)
        case _:
            pass
    wire.lose()
    wire.advance(100)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_span_ends_whatever_the_client_does_at_each_byte(sdk: SDK, ending: str) -> None:
    app = every_form()
    app.use(sdk.part())
    frames = b"\x81\x82\0\0\0\0hi"
    for form, (said, status) in FORMS.items():
        data = b"".join(each for each in said if isinstance(each, bytes))
        data += frames if status == 101 else b""
        # The bytes that stand for themselves: those around the end of the head, and of the body.
        head = data.index(b"\r\n\r\n") + 4
        for size in sorted({0, 1, 10, *range(head - 2, len(data) + 1)}):
            wire = Lockstep(app, CONFIG)
            wire.receive(data[:size])
            end(wire, ending)
            assert sdk.counted.began == sdk.counted.ended, (form, size)
    assert sdk.counted.began > len(FORMS)
    assert sdk.active() == 0


STEPS = st.lists(
    st.one_of(
        st.sampled_from([said[0] for said, _ in FORMS.values() if isinstance(said[0], bytes)]),
        st.sampled_from([b"\x81\x82\0\0\0\0hi", b"\x88\x80\0\0\0\0", b"nonsense\r\n\r\n", b"x"]),
        st.sampled_from(["eof", "lose", "stall", "resume", 0.3, 3, "shutdown"]),
    ),
    max_size=8,
)


@given(STEPS)
@settings(deadline=None, max_examples=200)
def test_every_span_ends_whatever_comes_one_after_the_other(steps: list[Any]) -> None:
    sdk = SDK()
    app = every_form()
    app.use(sdk.part())
    wire = Lockstep(app, CONFIG)
    for step in steps:
        match step:
            case bytes():
                wire.receive(step)
            case "shutdown":
                wire.world.server.shutdown()
            case str():
                getattr(wire, step)()
            case _:
                wire.advance(step)
    wire.lose()
    wire.advance(100)
    assert sdk.counted.began == sdk.counted.ended == len(sdk.spans())
    assert sdk.active() == 0


# --- why an answer is not whole ----------------------------------------------------------------


def test_an_answer_that_was_cut_off_says_why(sdk: SDK) -> None:
    app = App()
    app.use(sdk.part())

    @app.get("/stream")
    async def stream(ctx: Context) -> None:
        async with ctx.stream() as out:
            await out.write("a")
            await ctx.sleep(60)
            await out.write("b")

    @app.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send("a")
            await ctx.sleep(60)
            await out.send("b")

    @app.get("/late")
    async def late(ctx: Context) -> None:
        await ctx.sleep(60)

    def kind_of(path: str, how: str) -> object:
        wire = Lockstep(app, CONFIG)
        wire.receive(request(path))
        end(wire, how)
        span = sdk.span()
        assert span.status.is_ok is (facts(span).get("http.response.status_code") != 503)
        return facts(span).get("error.type")

    found = {
        (path, how): kind_of(path, how)
        for path in ("/stream", "/events", "/late")
        for how in ("reset", "drain", "abort", "silence")
    }
    assert found == {
        ("/stream", "reset"): "disconnected",
        ("/stream", "drain"): "shutdown",
        ("/stream", "abort"): "shutdown",
        ("/stream", "silence"): None,
        ("/events", "reset"): None,
        ("/events", "drain"): None,
        ("/events", "abort"): "shutdown",
        ("/events", "silence"): None,
        ("/late", "reset"): "disconnected",
        ("/late", "drain"): "503",
        ("/late", "abort"): "shutdown",
        ("/late", "silence"): "503",
    }
