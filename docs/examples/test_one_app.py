"""One app on ten hosts: each cell of the table in docs/hosts.md."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from one_app import app
from websockets.sync.client import connect
from what_holds import LANES, NAMES, NO, ROWS, Host

from anylane.testing import TestClient

FOLDER = Path(__file__).parent


class InTest:
    """A lane, or memory, by the project's own client."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        answer = self._client.request(method, path, content=body)
        return answer.status, dict(answer.headers.items()), answer.content

    def echo(self, message: str) -> str:
        with self._client.websocket("/echo") as ws:
            ws.send(message)
            return str(ws.receive())

    def events_after(self, *tell: Callable[[], object]) -> list[str]:
        with self._client.events("/room") as events:
            assert next(events).data == "here"
            return [str(next(events).data) for each in tell if each() is not None]

    def leave(self) -> None:
        with self._client.stream("GET", "/endless") as answer:
            assert next(answer.iter_bytes()) == b"tick\n"


class AtAddress:
    """A server, by httpx and websockets."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        answer = httpx.request(method, self._url + path, content=body)
        return answer.status_code, dict(answer.headers), answer.content

    def echo(self, message: str) -> str:
        with connect(self._url.replace("http", "ws") + "/echo") as ws:
            ws.send(message)
            return str(ws.recv())

    def events_after(self, *tell: Callable[[], object]) -> list[str]:
        with httpx.stream("GET", self._url + "/room", timeout=5) as answer:
            events = (line.removeprefix("data: ") for line in answer.iter_lines() if line)
            assert next(events) == "here"
            return [next(events) for each in tell if each() is not None]

    def leave(self) -> None:
        with httpx.stream("GET", self._url + "/endless") as answer:
            assert next(answer.iter_bytes()).startswith(b"tick\n")


@contextmanager
def in_test(lane: str) -> Generator[Host]:
    with TestClient(app, backend=None if lane == "in memory" else lane) as client:
        yield InTest(client)


@contextmanager
def program(*command: str) -> Generator[Host]:
    """A server, which prints its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        try:
            said = []
            for line in output:
                said.append(line)
                if (found := re.search(r"http://127\.0\.0\.1:\d+", line)) is not None:
                    break
            else:
                pytest.fail("".join(said))
            reader = threading.Thread(target=output.read)
            reader.start()
            yield AtAddress(found[0])
        finally:
            process.terminate()
            process.wait(10)
        reader.join(10)


@contextmanager
def uvicorn() -> Generator[Host]:
    with program("uvicorn", "one_app:app", "--port", "0") as host:
        yield host


@contextmanager
def interpreters() -> Generator[Host]:
    workers = ("--workers", "2", "--worker-kind", "interpreter")
    with program("anylane", "run", "one_app:app", "--port", "0", *workers) as host:
        yield host


@contextmanager
def inetd() -> Generator[Host]:
    """A process for each connection, which is its stdin."""
    serving = "from stdio_host import serve; from one_app import app; serve(app)"
    children: list[subprocess.Popen[bytes]] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            command = [sys.executable, "-c", serving]
            children.append(subprocess.Popen(command, cwd=FOLDER, stdin=connection.fileno()))
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield AtAddress(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for child in children:
                child.terminate()
                child.wait(10)


HOSTS: dict[str, Callable[[], Any]] = {
    **{lane: partial(in_test, lane) for lane in LANES},
    "ASGI": uvicorn,
    "stdio": inetd,
}


ELSEWHERE = ("Pyodide", "interpreters")
"""Those that this Python may not have: tests/backends/fetch, tests/backends/hosting/workers."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[Callable[[str], Host]]:
    """Start each host once."""
    with ExitStack() as stack:
        started: dict[str, Host] = {}

        def start(name: str) -> Host:
            if name not in started:
                started[name] = stack.enter_context(HOSTS[name]())
            return started[name]

        yield start


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", HOSTS)
def test_what_holds_where(hosts: Callable[[str], Host], name: str, row: str) -> None:
    hold(hosts(name), name, row)


def hold(host: Host, name: str, row: str) -> None:
    """Try one cell of the table, which holds or not, as the table says."""
    if (row, name) in NO:
        with pytest.raises((AssertionError, httpx.ReadTimeout)):
            ROWS[row](host)
    else:
        ROWS[row](host)


def test_the_table_has_each_host() -> None:
    assert {*HOSTS, *ELSEWHERE} == {*NAMES}
    assert {row for row, _ in NO} <= ROWS.keys()
