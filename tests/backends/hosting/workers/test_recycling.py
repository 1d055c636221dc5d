"""Workers that have served for long enough are replaced, one at a time."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from anylane_backends.hosting.supervision.recycling import (
    REASONS,
    Bounds,
    Wear,
    reason_in,
    resident,
)
from tests.backends.hosting.workers.servers import ask
from tests.waiting import eventually


def highest(low: float, high: float) -> float:
    return high


@pytest.mark.parametrize(
    ("bounds", "requests", "age", "asks"),
    [
        (Bounds(), 10**9, 10**9, b""),
        (Bounds(requests=5), 4, 0, b""),
        (Bounds(requests=5), 5, 0, b"n"),
        (Bounds(requests=5, requests_jitter=3), 7, 0, b""),
        (Bounds(requests=5, requests_jitter=3), 8, 0, b"n"),
        (Bounds(age=10), 0, 9.9, b""),
        (Bounds(age=10), 0, 10, b"a"),
        (Bounds(age=10, age_jitter=5), 0, 14.9, b""),
        (Bounds(age=10, age_jitter=5), 0, 15, b"a"),
        (Bounds(memory=1), 0, 0, b"m"),
        (Bounds(memory=1 << 50), 0, 0, b""),
    ],
)
def test_a_worker_asks_to_be_replaced_at_its_bound(bounds, requests, age, asks):
    wear = Wear(bounds, 1000.0, draw=highest)
    assert wear.look(requests, 1000.0 + age) == asks
    assert (reason_in(b"lp" + asks) is not None) is bool(asks)


def test_bounds_are_drawn_for_each_worker_anew():
    drawn = {Wear(Bounds(requests=1, requests_jitter=10**6), 0)._requests for _ in range(20)}
    assert len(drawn) > 10
    assert min(filter(None, drawn)) >= 1


def test_a_process_knows_its_own_memory():
    before = resident()
    text = Path("/proc/self/status").read_text(encoding="ascii")
    (known,) = re.findall(r"VmRSS:\s+(\d+) kB", text)
    assert abs(resident() - int(known) * 1024) < 8 << 20
    held = os.urandom(1 << 20) * 64
    assert resident() - before > 60 << 20
    assert len(held) == 64 << 20


def test_without_proc_the_peak_stands_for_it(monkeypatch):
    def missing(*_arguments):
        raise FileNotFoundError

    held = resident()
    monkeypatch.setattr("builtins.open", missing)
    assert resident() >= held - (8 << 20)


def pid(server) -> int:
    return int(json.loads(ask(server.port))["pid"])


def test_a_worker_is_replaced_after_its_requests(start):
    server = start("--workers", "2", "--max-requests", "30", "--log-level", "info")
    before = server.workers()
    for _ in range(100):
        pid(server)
    text = server.says(REASONS[b"n"])
    eventually(lambda: len(server.workers() - before) >= 1 and len(server.workers()) == 2)
    victims = {int(each) for each in re.findall(r"worker (\d+) has had its requests", text)}
    assert victims <= before
    code, text = server.end()
    assert code == 0, text
    assert "Traceback" not in text
    assert "ended with" not in text


def test_one_worker_alone_is_recycled_too(start):
    """It has a supervisor then, which starts its replacement first."""
    server = start("--max-requests", "3")
    (first,) = server.workers()
    for _ in range(5):
        assert pid(server) == first or first not in server.workers()
    eventually(lambda: server.workers().isdisjoint({first}) and len(server.workers()) == 1)
    assert pid(server) != first
    assert server.end()[0] == 0


def test_a_worker_that_grows_is_replaced(start):
    bound = resident() + (150 << 20)
    server = start("--workers", "2", "--max-memory", str(bound))
    grown = int(ask(server.port, f"/eat/{(bound >> 20) + 10}"))
    server.says(f"worker {grown} {REASONS[b'm']}: replacing it")
    eventually(lambda: grown not in server.workers())
    assert len(re.findall("replacing it", server.text)) == 1
    assert server.end()[0] == 0


def test_a_worker_is_replaced_when_it_has_come_of_age(start):
    server = start("--max-age", "1")
    (first,) = server.workers()
    server.says(f"worker {first} {REASONS[b'a']}: replacing it")
    eventually(lambda: server.workers().isdisjoint({first}) and len(server.workers()) == 1)
    assert server.end()[0] == 0


def test_a_replacement_that_cannot_start_is_tried_again_later_and_the_old_one_serves(start):
    server = start("--max-age", "1")
    (first,) = server.workers()
    (server.folder / "main.py").write_text("broken(", encoding="utf-8")
    server.says("the old one stays")
    assert pid(server) == first
    # The pause between two tries doubles.
    eventually(lambda: server.text.count("the old one stays") == 3, 30)
    assert pid(server) == first
    assert server.end()[0] == 0
