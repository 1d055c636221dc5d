"""The metrics in memory, in virtual time, and on every lane: what a page gets, and gets again."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from time import monotonic, process_time

import live_metrics
import pytest
import web

from anylane import App, EventLog
from anylane.testing import ServerSentEvent, TestClient

LANES = (None, "asyncio", "uvloop", "anyio", "trio", "curio", "threads")


@pytest.fixture(params=LANES, ids=lambda lane: lane or "memory")
def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[TestClient]:
    """A log of its own for each test, and a sampler that sleeps: the tests say when."""
    monkeypatch.setattr(live_metrics, "log", EventLog(live_metrics.KEPT))
    monkeypatch.setattr(live_metrics, "INTERVAL", 3600.0)
    app = App()
    app.include(live_metrics.metrics)
    app.include(web.web)
    app.lifespan(live_metrics.sampling)
    with TestClient(app, backend=request.param) as client:
        yield client
    assert live_metrics.log.receivers == 0
    assert live_metrics.cuts.receivers == 0


def send(n: int) -> None:
    live_metrics.log.send({"n": n})


def numbers(events: Iterator[ServerSentEvent], count: int) -> list[int]:
    return [next(events).json()["n"] for _ in range(count)]


def test_a_sample_tells_the_truth_about_this_process(client: TestClient) -> None:
    with client.events("/metrics/events") as events:
        hello = next(events)
        assert hello.event == "hello"
        assert hello.json()["pid"] == os.getpid()
        live_metrics.log.send(live_metrics.sample())
        sample = next(events).json()
        assert sample["memory"] == pytest.approx(live_metrics.process.memory_info().rss, rel=0.5)
        assert sample["cpu"] >= 0
        assert sample["threads"] >= 1
        assert sample["readers"] == 1


def test_a_new_page_gets_the_last_samples(client: TestClient) -> None:
    for n in range(live_metrics.SHOWN + 10):
        send(n)
    with client.events("/metrics/events") as events:
        assert next(events).json()["waiting"] == live_metrics.SHOWN
        assert numbers(events, live_metrics.SHOWN) == list(range(10, live_metrics.SHOWN + 10))
        send(-1)
        assert numbers(events, 1) == [-1]


def test_a_page_that_comes_again_gets_what_it_missed(client: TestClient) -> None:
    send(1)
    with client.events("/metrics/events") as events:
        next(events)
        seen = next(events).id
        assert client.post("/metrics/cut").status == 204
        assert list(events) == []  # the end, whole
    send(2)
    send(3)
    with client.events("/metrics/events", seen) as events:
        assert next(events).json()["waiting"] == 2
        assert numbers(events, 2) == [2, 3]


def test_a_page_from_before_a_restart_is_told_so(client: TestClient) -> None:
    send(1)
    with client.events("/metrics/events", "another-7") as events:
        next(events)
        resync = next(events)
        assert (resync.event, resync.json()["reason"]) == ("resync", "unknown")
        assert numbers(events, 1) == [1]


def test_work_is_done_once_at_a_time(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_metrics, "WORK", 0.01)
    assert client.post("/metrics/work").status == 204
    with live_metrics.busy:
        assert client.post("/metrics/work").status == 409
    assert client.post("/metrics/work").status == 204


@pytest.mark.parametrize("client", [None], ids=["memory"], indirect=True)
def test_a_quiet_stream_beats_and_a_page_that_leaves_is_forgotten(client: TestClient) -> None:
    with client.events("/metrics/events") as events:
        next(events)
        client.advance(3600)
        assert live_metrics.log.receivers == 1
    client.advance(0)
    assert live_metrics.log.receivers == 0


def test_work_is_seen_in_the_next_sample() -> None:
    live_metrics.sample()
    end = process_time() + 0.05
    while process_time() < end:
        pass
    assert live_metrics.sample()["cpu"] > 0


def test_the_sampler_takes_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_metrics, "INTERVAL", 0.001)
    monkeypatch.setattr(live_metrics, "log", log := EventLog(3))
    with live_metrics.sampling():
        late = monotonic() + 10
        while len(log) < 3:
            assert monotonic() < late
