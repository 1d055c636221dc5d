"""What Metrics counts, in memory and in virtual time."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import AsyncIterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from anylane import (
    STOP,
    App,
    Broadcast,
    Context,
    HTTPError,
    Server,
    ServerConfig,
    Timeouts,
    UsageError,
)
from anylane.contrib import Metrics
from anylane.contrib.metrics.exporter import REFRESH
from anylane.testing import Lockstep, TestClient, World


def make(**options: Any) -> tuple[App, Metrics, CollectorRegistry]:
    """An app with a route for each form of answer, and its metrics in a registry of their own."""
    app, registry = App(), CollectorRegistry()
    metrics = Metrics(registry=registry, **options)
    app.use(metrics, order=-100)

    @app.get("/users/{id:int}")
    async def user(ctx: Context) -> str:
        return "hello"

    @app.get("/slow")
    async def slow(ctx: Context) -> str:
        await ctx.sleep(0.3)
        return "slow"

    @app.get("/items")
    async def items(ctx: Context) -> AsyncIterator[str]:
        yield "one"
        await ctx.sleep(2)
        yield "two"

    @app.get("/events")
    async def events(ctx: Context) -> None:
        async with ctx.event_stream() as out:
            await out.send("x")
            await ctx.sleep(1000)

    @app.get("/fails")
    async def fails(ctx: Context) -> None:
        raise ValueError

    @app.post("/upload")
    async def upload(ctx: Context) -> str:
        return str(len(await ctx.request.body()))

    @app.websocket("/echo")
    async def echo(ctx: Context) -> None:
        if ctx.request.query.get("no"):
            raise HTTPError(403)
        ws = await ctx.accept()
        async for message in ws:
            await ws.send(message)

    return app, metrics, registry


def requests(registry: CollectorRegistry, method: str, route: str, status: str) -> float | None:
    labels = {"method": method, "route": route, "status": status}
    return registry.get_sample_value("anylane_requests_total", labels)


def seconds(registry: CollectorRegistry, route: str, method: str = "GET") -> tuple[Any, Any]:
    name, labels = "anylane_request_duration_seconds", {"method": method, "route": route}
    found = [registry.get_sample_value(f"{name}_{each}", labels) for each in ("count", "sum")]
    return found[0], found[1]


def figure(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"anylane_{name}", labels)


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


SCRAPE = request("/metrics")
SOCKET = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


def test_requests_are_counted_by_method_pattern_and_status() -> None:
    app, _, registry = make()
    with TestClient(app) as client:
        for n in range(3):
            client.get(f"/users/{n}?q={n}")
        client.head("/users/1")
        client.get("/fails")
        client.post("/upload", content=b"12345")
    assert requests(registry, "GET", "/users/{id:int}", "200") == 3
    assert requests(registry, "HEAD", "/users/{id:int}", "200") == 1
    assert requests(registry, "GET", "/fails", "500") == 1
    assert requests(registry, "POST", "/upload", "200") == 1


def test_no_client_can_make_up_labels() -> None:
    app, _, registry = make()
    with TestClient(app) as client:
        for n in range(20):
            client.get(f"/scan/{n}.php")
            client.request(f"BREW{n}", "/users/1")
            client.request(f"BREW{n}", f"/pot{n}")
        client.delete("/slow")
        client.options("/slow")
        before = client.get("/metrics").text
        client.request("BREWS", "/pots")
        after = client.get("/metrics").text
    assert requests(registry, "GET", "unmatched", "404") == 20
    assert requests(registry, "other", "unmatched", "405") == 20
    assert requests(registry, "other", "unmatched", "404") == 21
    assert requests(registry, "DELETE", "unmatched", "405") == 1
    assert requests(registry, "OPTIONS", "unmatched", "204") == 1
    assert before.count("\n") == after.count("\n")


def test_a_method_of_a_route_is_a_label_and_no_more_than_those_are_kept() -> None:
    app, metrics, registry = make()
    app.route("/pot", methods=["BREW"])(lambda ctx: "tea")
    with TestClient(app) as client:
        client.request("BREW", "/pot")
        for n in range(20):
            client.request(f"X{n}", "/pot")
    assert requests(registry, "BREW", "/pot", "200") == 1
    assert requests(registry, "other", "unmatched", "405") == 20
    assert len(metrics._series) == 2


def test_latency_runs_to_the_last_byte_of_answers_and_streams_on_the_core_s_clock() -> None:
    app, _, registry = make()
    wire = Lockstep(app)
    for path in ("/users/1", "/slow", "/items"):
        wire.receive(request(path))
        wire.advance(5)
    assert seconds(registry, "/users/{id:int}") == (1, 0)
    assert seconds(registry, "/slow") == (1, pytest.approx(0.3))
    assert seconds(registry, "/items") == (1, 2)
    labels = {"method": "GET", "route": "/slow"}
    buckets = {
        bound: figure(registry, "request_duration_seconds_bucket", le=bound, **labels)
        for bound in ("0.25", "0.5", "+Inf")
    }
    assert buckets == {"0.25": 0, "0.5": 1, "+Inf": 1}


def test_what_lasts_as_long_as_its_client_stays_is_counted_and_not_timed() -> None:
    app, _, registry = make()
    events, socket = Lockstep(app), Lockstep(app)
    events.receive(request("/events"))
    socket.receive(request("/echo", *SOCKET))
    events.advance(100)
    for wire in (events, socket):
        wire.lose()
    assert requests(registry, "GET", "/events", "200") == 1
    assert requests(registry, "GET", "/echo", "101") == 1
    assert seconds(registry, "/events") == (0, 0)
    assert seconds(registry, "/echo") == (0, 0)


def test_what_is_open_and_runs_now_is_shown() -> None:
    app, _, registry = make()
    world = World(app)
    socket, refused, slow, reader = (Lockstep(world=world) for _ in range(4))
    socket.receive(request("/echo", *SOCKET))
    refused.receive(request("/echo?no=1", *SOCKET))
    slow.receive(request("/slow"))
    reader.receive(SCRAPE)
    assert figure(registry, "requests_in_progress") == 2
    assert figure(registry, "websockets_open") == 1
    assert figure(registry, "connections_open") == 4
    assert figure(registry, "connections_accepted_total") == 4
    world.advance(1)
    socket.lose()
    refused.lose()
    assert figure(registry, "connections_open") == 2
    reader.receive(SCRAPE)
    assert figure(registry, "requests_in_progress") == 0
    assert figure(registry, "websockets_open") == 0


def test_bytes_are_shown_while_a_websocket_or_stream_still_runs_and_once() -> None:
    app, _, registry = make()
    world = World(app)
    socket, items, reader = (Lockstep(world=world) for _ in range(3))
    items.receive(request("/items"))
    socket.receive(request("/echo", *SOCKET))
    socket.receive(b"\x81\x82\0\0\0\0hi")
    for _ in range(2):
        reader.receive(SCRAPE)
        assert figure(registry, "received_bytes_total") == 2
        assert figure(registry, "sent_bytes_total") == 3 + 4
    world.advance(2)
    socket.lose()
    reader.receive(SCRAPE)
    assert figure(registry, "received_bytes_total") == 2
    assert figure(registry, "sent_bytes_total") == 3 + 4 + 3
    reader.receive(request("/upload", "Content-Length: 5", method="POST") + b"12345")
    reader.receive(SCRAPE)
    assert figure(registry, "received_bytes_total") == 2 + 5


def test_a_client_that_leaves_before_an_answer_has_no_status() -> None:
    app, _, registry = make()
    wire = Lockstep(app)
    wire.receive(request("/slow"))
    wire.lose()
    assert requests(registry, "GET", "/slow", "none") == 1


def test_the_503_of_a_deadline_is_counted_once_with_its_time() -> None:
    app, _, registry = make()

    @app.get("/stuck")
    async def stuck(ctx: Context) -> None:
        await ctx.sleep(1000)

    wire = Lockstep(app, ServerConfig(request_timeout=2, timeouts=Timeouts(close=0.5)))
    wire.receive(request("/stuck"))
    wire.advance(10)
    assert requests(registry, "GET", "/stuck", "503") == 1
    assert seconds(registry, "/stuck") == (1, 2)


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_a_function_that_blocks_for_too_long_is_counted_once(backend: str) -> None:
    app, _, registry = make()

    @app.get("/blocks")
    def blocks(ctx: Context) -> str:
        time.sleep(0.5)
        return "late"

    config = ServerConfig(port=0, request_timeout=0.1, timeouts=Timeouts(close=0.1))
    with TestClient(app, backend=backend, config=config) as client:
        # A lane that cannot answer for a thread that is stuck sends what it has returned.
        status = client.get("/blocks").status
        assert client.get("/users/1").status == 200
        client.get("/metrics")
    assert requests(registry, "GET", "/blocks", str(status)) == 1
    assert seconds(registry, "/blocks")[0] == 1
    assert requests(registry, "GET", "/users/{id:int}", "200") == 1
    assert figure(registry, "requests_in_progress") == 0


def test_what_a_part_further_out_answers_is_counted_without_its_time() -> None:
    class Closed:
        def request(self, ctx: Context) -> Any:
            ctx.response.set_status(429)
            return STOP

    app, _, registry = make()
    app.use(Closed(), order=-200)
    wire = Lockstep(app)
    wire.receive(request("/users/1"))
    wire.receive(SCRAPE)  # That one is in front of the metrics, too.
    assert requests(registry, "GET", "/users/{id:int}", "429") == 1
    assert requests(registry, "GET", "unmatched", "429") == 1
    assert seconds(registry, "/users/{id:int}") == (0, 0)
    assert figure(registry, "requests_in_progress") == 0


def test_a_part_that_is_used_at_two_levels_counts_once() -> None:
    app, metrics, registry = make()
    app.get("/twice", middleware=[metrics])(lambda ctx: "x")
    with TestClient(app) as client:
        client.get("/twice")
        client.get("/metrics")
    assert requests(registry, "GET", "/twice", "200") == 1
    assert figure(registry, "sent_bytes_total") == 1


# -- reading it -----------------------------------------------------------------------------------


def test_it_does_not_count_itself_unless_told_so() -> None:
    app, _, registry = make()
    with TestClient(app) as client:
        for _ in range(2):
            assert client.get("/metrics").status == 200
        client.post("/metrics")
    assert requests(registry, "GET", "unmatched", "200") is None
    app, _, registry = make(count_itself=True)
    with TestClient(app) as client:
        client.get("/metrics")
    assert requests(registry, "GET", "unmatched", "200") == 1


def test_get_and_head_are_answered_and_nothing_else() -> None:
    app, _, _ = make()
    with TestClient(app) as client:
        got, head = client.get("/metrics?x=1"), client.head("/metrics")
        assert (got.status, head.status) == (200, 200)
        assert got.headers["cache-control"] == "no-store"
        assert got.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert head.content == b"" and int(head.headers["content-length"]) > 500
        refused = client.post("/metrics")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
        for other in ("/metrics/", "/metricsx", "/x/metrics", "/metri%63s", "/x?/metrics"):
            assert client.get(other).status == 404
    families = {each.name for each in text_string_to_metric_families(got.text)}
    assert {"anylane_requests", "anylane_request_duration_seconds"} <= families


OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "starts"),
    [
        (f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS),
        ("application/openmetrics-text", "application/openmetrics-text"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/plain", "text/plain; version=0.0.4"),
        ("application/openmetrics-text;version=nonsense", "text/plain; version=0.0.4"),
        ("text/plain; version=1.x", "text/plain; version=0.0.4"),
        ('application/openmetrics-text; version="1.0.0"', "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0 , */*", OPENMETRICS.partition(";")[0]),
        ("," * 5000, "text/plain; version=0.0.4"),
    ],
)
def test_the_format_is_the_one_that_the_reader_accepts(accept: str, starts: str) -> None:
    app, _, _ = make()
    wire = Lockstep(app)
    wire.receive(request("/metrics", f"Accept: {accept}"))
    head, _, body = wire.take().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"content-type: {starts}".encode() in head
    assert body.endswith(b"# EOF\n") == starts.startswith("application/openmetrics")


def test_own_metrics_are_shown_and_a_route_of_your_own_may_show_all() -> None:
    app, registry = App(), CollectorRegistry()
    metrics = Metrics(None, registry=registry)
    app.use(metrics)
    sold = Counter("sold", "Sold.", registry=registry)

    @app.get("/private")
    async def private(ctx: Context) -> Any:
        return await metrics.render(ctx)

    sold.inc(3)
    with TestClient(app) as client:
        assert client.get("/metrics").status == 404
        answer = client.get("/private")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "sold_total 3.0" in answer.text
    assert requests(registry, "GET", "/private", "200") == 1


def test_a_collector_that_fails_is_a_logged_500() -> None:
    class Broken:
        def collect(self) -> Any:
            raise ValueError("broken collector")

        def describe(self) -> Any:
            return []

    app, _, registry = make()
    registry.register(Broken())
    wire = Lockstep(app)
    wire.receive(SCRAPE)
    assert wire.take().startswith(b"HTTP/1.1 500 ")
    assert any("broken collector" in each.message for each in wire.log)


# -- broadcasts, servers, threads -----------------------------------------------------------------


def test_rooms_that_are_watched_show_receivers_and_what_they_lose() -> None:
    app, metrics, registry = make()
    room: Broadcast[int] = Broadcast(capacity=2)
    metrics.watch(room, "chat")
    with TestClient(app) as client, room.subscribe() as one, room.subscribe():
        for n in range(3):
            room.send(n)
            one.poll()
        client.get("/metrics")
        assert figure(registry, "broadcast_receivers", room="chat") == 2
        assert figure(registry, "broadcast_lost_total", room="chat") == 1
    with TestClient(app) as client:
        client.get("/metrics")
        assert figure(registry, "broadcast_receivers", room="chat") == 0
        assert figure(registry, "broadcast_lost_total", room="chat") == 1


class Bridge:
    """What Metrics asks of a bridge."""

    connected = True
    sent = received = lost = lagged = ignored = reconnects = 0


def test_a_bridge_that_is_watched_shows_its_messages_and_whether_it_has_a_broker() -> None:
    app, metrics, registry = make()
    bridge = Bridge()
    metrics.watch(bridge, "nats")

    def shown(client: TestClient) -> list[float | None]:
        client.get("/metrics")
        kinds = ("sent", "received", "lost", "lagged", "ignored")
        counted = [
            figure(registry, "bridge_messages_total", bridge="nats", what=kind) for kind in kinds
        ]
        return [*counted, figure(registry, "bridge_connected", bridge="nats"),
                figure(registry, "bridge_reconnects_total", bridge="nats")]  # fmt: skip

    with TestClient(app) as client:
        assert shown(client) == [0, 0, 0, 0, 0, 1, 0]
        bridge.sent, bridge.received, bridge.lost, bridge.lagged, bridge.ignored = 5, 4, 3, 2, 1
        bridge.connected = False
        assert shown(client) == [5, 4, 3, 2, 1, 0, 0]
        bridge.connected, bridge.reconnects = True, 1
        assert shown(client) == [5, 4, 3, 2, 1, 1, 1]


def test_two_servers_of_one_process_add_up() -> None:
    app, _, registry = make()
    worlds = World(app), World(app)
    wires = [Lockstep(world=world) for world in (*worlds, worlds[1])]
    for wire in wires:
        wire.receive(request("/users/1"))
    assert figure(registry, "connections_open") == 3
    assert figure(registry, "connections_accepted_total") == 3
    wires[1].lose()
    assert figure(registry, "connections_open") == 2


def test_an_app_that_is_made_again_counts_on() -> None:
    registry = CollectorRegistry()
    for _ in range(2):
        app = App()
        app.use(Metrics(registry=registry))
        app.get("/")(lambda ctx: "x")
        with TestClient(app) as client:
            client.get("/")
    assert requests(registry, "GET", "/", "200") == 2


def test_a_drain_is_shown() -> None:
    app, _, registry = make()
    world = World(app)
    wire = Lockstep(world=world)
    wire.receive(request("/slow"))
    assert figure(registry, "draining") == 0
    world.server.shutdown()
    assert figure(registry, "draining") == 1
    world.advance(1)
    wire.lose()
    assert figure(registry, "draining") == 0  # It is over.


def test_what_no_event_tells_of_is_not_looked_at_in_one_process() -> None:
    # Only several processes have to tell of it unasked.
    app, metrics, _ = make()
    world = World(app)
    wire = Lockstep(world=world)
    wire.receive(request("/users/1"))
    world.advance(2 * REFRESH)
    wire.receive(request("/users/1"))
    assert metrics._due == 0


def test_threads_lose_no_count() -> None:
    app, _, registry = make()
    server = Server(app, ServerConfig(port=0), "threads").start().wait_ready()

    def work() -> None:
        client = HTTPConnection(*server.addresses[0])
        for _ in range(50):
            client.request("GET", "/users/1")
            client.getresponse().read()
        client.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = HTTPConnection(*server.addresses[0])
    client.request("GET", "/metrics")
    client.getresponse().read()
    client.close()
    server.shutdown()
    server.wait()
    assert figure(registry, "connections_open") == 0
    assert requests(registry, "GET", "/users/{id:int}", "200") == 200
    assert figure(registry, "sent_bytes_total") == 200 * 5
    assert figure(registry, "requests_in_progress") == 0


# -- bad arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "metrics"}, "expected a plain path such as '/metrics'"),
        ({"path": "/{id}"}, "expected a plain path"),
        ({"path": "/a?b"}, "expected a plain path"),
        ({"path": 7}, "expected a plain path"),
        ({"prefix": "a-b"}, "prefix is 'a-b'; expected letters"),
        ({"prefix": 7}, "prefix is 7"),
        ({"buckets": ()}, "expected ascending seconds"),
        ({"buckets": (1, 1)}, "expected ascending seconds"),
        ({"buckets": (-1, 1)}, "expected ascending seconds"),
        ({"buckets": (1, float("nan"))}, "expected ascending seconds"),
        ({"buckets": "fast"}, "expected ascending seconds"),
        ({"buckets": 3}, "expected ascending seconds"),
        ({"registry": 3}, r"expected a prometheus_client\.CollectorRegistry"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Metrics(**options)


def test_names_that_others_have_taken_are_refused() -> None:
    registry = CollectorRegistry()
    Counter("shop_requests", "Mine.", registry=registry)
    with pytest.raises(UsageError, match=r"cannot use the prefix 'shop'.*choose another prefix"):
        Metrics(prefix="shop", registry=registry)
    Metrics(registry=registry)
    with pytest.raises(UsageError, match="another Metrics has"):
        Metrics(registry=registry, buckets=(1, 2))


def test_what_cannot_be_watched_is_refused() -> None:
    metrics = Metrics(registry=CollectorRegistry())
    room: Broadcast[int] = Broadcast()
    metrics.watch(room, "a")
    for what, name in ((room, "a"), (room, ""), (object(), "b")):
        with pytest.raises(UsageError, match=r"Metrics\.watch\(\) got"):
            metrics.watch(what, name)  # type: ignore[arg-type]


def test_the_folder_of_several_processes_has_to_be_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="expected an empty folder: make it"):
        Metrics(registry=CollectorRegistry())
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(UsageError, match="set after prometheus_client had been imported"):
        Metrics(registry=CollectorRegistry())


def test_the_page_names_every_figure_and_no_other() -> None:
    page = Path(__file__).parents[2] / "docs" / "parts" / "metrics.md"
    named = {*re.findall(r"`(anylane_\w+)`", page.read_text(encoding="utf-8"))}
    app, _, registry = make()
    with TestClient(app) as client:
        client.get("/metrics")
    shown = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
    }
    assert named == shown


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(UsageError, match=r"Metrics needs .* pip install 'anylane\[metrics\]'"):
        Metrics()
