"""The ids of lines: whose they are, and what has none."""

from __future__ import annotations

import contextvars
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Generator
from typing import Any

import pytest

from anylane import App, Context, Server, ServerConfig
from anylane.lane.log_ids import current_connection_id, current_request_id, log_about
from anylane.log_limit import TLS, LogLimit
from anylane.middleware import AccessLog, RequestId
from anylane.testing import TestClient
from anylane_backends.logging import JsonFormatter, add_ids, current_ids
from anylane_backends.logging.ids import ids_of


class Seen(logging.Handler):
    """Keeps each record, with the ids that a formatter would tell."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[tuple[str, dict[str, Any]]] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.ids.append((record.getMessage(), ids_of(record)))
        self.records.append(record)


@pytest.fixture
def seen() -> Generator[Seen]:
    handler = Seen()
    names = ("anylane", "anylane.access")
    levels = [logging.getLogger(name).level for name in names]
    logging.getLogger("anylane").addHandler(handler)
    for name in names:
        logging.getLogger(name).setLevel(logging.INFO)
    yield handler
    logging.getLogger("anylane").removeHandler(handler)
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)


def test_there_are_none_outside_of_requests() -> None:
    assert current_connection_id() is None
    assert current_request_id() is None
    assert current_ids() == {}
    assert add_ids(None, "info", {"event": "a"}) == {"event": "a"}


def test_a_layer_names_its_connection_for_one_line() -> None:
    numbers: list[int | None] = []
    limit = LogLimit(lambda *_: numbers.append(current_connection_id()), lambda: 0.0)
    log_about(7, limit, TLS, "info", "a handshake failed", None)
    log_about(0, limit, TLS, "info", "a layer without a driver", None)
    assert numbers == [7, None]
    assert current_connection_id() is None


def test_several_threads_of_one_request_agree_on_its_id() -> None:
    app = App()
    found: list[set[str | None]] = []

    @app.get("/")
    async def home(ctx: Context) -> str:
        barrier, ids = threading.Barrier(8), []

        def ask() -> None:
            barrier.wait(10)
            ids.append(current_request_id())

        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(ask,)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == 8
        found.append({*ids})
        return "home"

    client = TestClient(app)
    for _ in range(20):
        client.get("/")
    assert all(len(each) == 1 for each in found)
    assert len({*map(frozenset, found)}) == 20


def test_an_event_keeps_the_ids_that_it_has() -> None:
    app = App()
    app.use(RequestId(trust=True))

    @app.get("/")
    def home(ctx: Context) -> dict[str, Any]:
        return {**add_ids(None, "info", {"request_id": "own"}), "all": current_ids()}

    found = TestClient(app).get("/", headers={"x-request-id": "theirs"}).json()
    assert found["request_id"] == "own"
    assert found["all"]["request_id"] == "theirs"
    assert found["connection_id"] == found["all"]["connection_id"]


def test_what_answers_for_a_stuck_handler_has_the_ids_of_its_request(seen: Seen) -> None:
    app, block = App(), threading.Event()

    @app.get("/")
    def stuck(ctx: Context) -> str:
        logging.getLogger("anylane.access").info("begins")
        block.wait(20)
        return "late"

    server = Server(app, ServerConfig(port=0, request_timeout=0.3), "threads").start()
    try:
        server.wait_ready()
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{server.urls[0]}/", timeout=10)
    finally:
        block.set()
        server.shutdown(grace=5)
        assert server.wait(10)
    (_, begins), (line, slow) = seen.ids[:2]
    assert "took longer than 0.3 seconds" in line
    assert begins == slow != {}


def test_a_part_that_logs_exchanges_leaves_their_fields_in_the_record(seen: Seen) -> None:
    app = App()
    app.use(RequestId(trust=True))
    app.use(AccessLog(query=False))
    server = Server(app, ServerConfig(port=0)).start().wait_ready()
    try:
        asked = urllib.request.Request(
            f"{server.urls[0]}/a%20b?secret=1",
            headers={"X-Request-Id": "theirs-and-long-enough", "User-Agent": "tests"},
        )
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(asked, timeout=10)
    finally:
        server.shutdown()
        assert server.wait(10)
    ((line, ids),) = seen.ids
    (record,) = seen.records
    assert ids["request_id"] == "theirs-and-long-enough"
    assert line.startswith("127.0.0.1 - - [")
    fields = vars(record)
    expected = {
        "client": "127.0.0.1", "method": "GET", "path": "/a%20b", "query": None, "version": "1.1",
        "status": 404, "user_agent": "tests", "route": None, "user": None, "referer": None,
    }  # fmt: skip
    assert {name: fields[name] for name in expected} == expected
    assert fields["duration"] > 0
    assert '"path": "/a%20b"' in JsonFormatter().format(record)
