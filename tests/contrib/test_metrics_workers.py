"""Metrics of several processes: `anylane run --workers`, with real workers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import eventually

APP = """
import os
from anylane import App
from anylane.contrib import Metrics

app = App()
app.use(Metrics())

@app.get("/pid")
async def pid(ctx):
    return os.getpid()
"""


class Run:
    """`anylane run --workers 2` of that app, and what it says."""

    def __init__(self, folder: Path, backend: str, variables: dict[str, str]) -> None:
        (folder / "main.py").write_text(APP, encoding="utf-8")
        command = [sys.executable, "-m", "anylane", "run", "main:app", "--backend", backend,
                   "--workers", "2", "--port", "0"]  # fmt: skip
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        line = self.output.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line
        self.port = int(found[1])
        self.lines: list[str] = []
        self._connections: list[HTTPConnection] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        self.lines += self.output

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self._reader.join()
            self.output.close()

    def connections_to_both(self) -> dict[int, HTTPConnection]:
        """Return an open connection to each worker, by its process id."""
        found: dict[int, HTTPConnection] = {}
        spare = []  # Kept open, so that the other one has its turn.
        end = time.monotonic() + 20
        while len(found) < 2:
            assert time.monotonic() < end, "one worker takes all connections"
            connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
            self._connections.append(connection)
            pid = int(get(connection, "/pid"))
            if pid in found:
                spare.append(connection)
            else:
                found[pid] = connection
        for each in spare:
            each.close()
        return found


def get(connection: HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def scrape(connection: HTTPConnection) -> dict[str, float]:
    """Return the figures without labels, and the requests for the pid."""
    found = {}
    for family in text_string_to_metric_families(get(connection, "/metrics")):
        for sample in family.samples:
            if not sample.labels or sample.labels.get("status") == "200":
                found[sample.name] = sample.value
    return found


def opened(connection: HTTPConnection, count: int) -> bool:
    return scrape(connection)["anylane_connections_open"] == count


@contextmanager
def running(folder: Path, backend: str, **variables: str) -> Generator[Run]:
    run = Run(folder, backend, variables)
    try:
        yield run
    finally:
        run.close()


@pytest.mark.parametrize("backend", ["asyncio", "threads"])
def test_a_scrape_of_any_worker_shows_the_sum_of_all_that_live(
    tmp_path: Path, backend: str
) -> None:
    figures = tmp_path / "figures"
    figures.mkdir()
    with running(tmp_path, backend, PROMETHEUS_MULTIPROC_DIR=str(figures)) as run:
        workers = run.connections_to_both()
        asked = scrape(workers[min(workers)])["anylane_requests_total"]
        for connection in workers.values():
            for _ in range(5):
                get(connection, "/pid")
        for connection in workers.values():
            eventually(partial(opened, connection, 2))
            found = scrape(connection)
            assert found["anylane_requests_total"] == asked + 10
            assert found["anylane_requests_in_progress"] == 0
        # One dies: what it has counted stays, what it held is gone.
        died, left = workers
        os.kill(died, signal.SIGKILL)
        eventually(partial(opened, workers[left], 1))
        assert scrape(workers[left])["anylane_requests_total"] == asked + 10
        assert not [*figures.glob(f"gauge_live*_{died}.db")]
        assert [*figures.glob(f"counter_{died}.db")]
        # Its successor counts on.
        workers[died].close()
        for connection in run.connections_to_both().values():
            assert scrape(connection)["anylane_requests_total"] > asked + 10
    assert not [line for line in run.lines if "Metrics" in line]


def test_without_the_folder_a_warning_says_what_is_shown(tmp_path: Path) -> None:
    with running(tmp_path, "asyncio") as run:
        for connection in run.connections_to_both().values():
            connection.close()
    warned = [line for line in run.lines if "Metrics shows one of 2 workers" in line]
    assert len(warned) == 2
    assert "PROMETHEUS_MULTIPROC_DIR" in warned[0]
