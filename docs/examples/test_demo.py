"""The demo on every backend, with real clients: curl, httpx, websockets."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

DEMO = Path(__file__).with_name("demo.py")


@pytest.fixture(
    params=["asyncio", "uvloop", "anyio", "trio", "curio", "threads"],
    scope="module",
)
def url(request: pytest.FixtureRequest) -> Generator[str]:
    """The demo as a user starts it: a process, found by the line that it prints."""
    process = subprocess.Popen(
        [sys.executable, str(DEMO), "--backend", request.param, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with closing(process.stdout):
        try:
            line = process.stdout.readline()
            found = re.search(r"http://[\d.:]+", line)
            assert found is not None, line + process.stdout.read()
            assert request.param in line
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
            assert process.wait(10) == 0, rest
        assert "Traceback" not in rest, rest


def test_page_and_json(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "One Python web app, any lane" in page.text
        assert client.get("/hello/w%C3%B6rld").json() == {"message": "Hello, wörld!"}
        assert client.post("/echo", json={"a": [1, None]}).json() == {"you sent": {"a": [1, None]}}
        assert client.post("/echo", content=b"{").status_code == 400
        assert client.get("/squares/4").json() == [0, 1, 4, 9]
        assert client.get("/nowhere").status_code == 404


def test_stream(url: str) -> None:
    with httpx.stream("GET", f"{url}/count/2") as response:
        assert list(response.iter_lines()) == ["0", "1"]


def test_websocket_echo(url: str) -> None:
    with connect(url.replace("http", "ws") + "/ws") as ws:
        for message in ("hello", "żółw", b"\x00\xff", "x" * 200_000):
            ws.send(message)
            assert ws.recv(timeout=10) == message
        assert ws.ping().wait(10)


def test_chat(url: str) -> None:
    chat = url.replace("http", "ws") + "/chat"
    with connect(chat) as one, connect(chat) as two:
        for ws in (one, two):
            # A pong shows that the handler has subscribed: it does so before it accepts.
            assert ws.ping().wait(10)
        one.send("hello")
        assert one.recv(timeout=10) == "hello"
        assert two.recv(timeout=10) == "hello"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(url: str) -> None:
    def curl(*arguments: str) -> str:
        command = ["curl", "--silent", "--show-error", "--max-time", "10", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert curl(f"{url}/hello/curl") == '{"message":"Hello, curl!"}'
    assert curl("--http1.0", f"{url}/hello/curl") == '{"message":"Hello, curl!"}'
    assert curl("--data", "[1, 2]", f"{url}/echo") == '{"you sent":[1,2]}'
    expect = ("--header", "Expect: 100-continue", "--data", "[3]")
    assert curl(*expect, f"{url}/echo") == '{"you sent":[3]}'
    assert "405" in curl("--output", "/dev/null", "--write-out", "%{http_code}", "--request",
                         "PUT", f"{url}/echo")  # fmt: skip
    # Two transfers on one connection: curl says so itself.
    twice = curl("--write-out", "%{num_connects}", f"{url}/squares/0", f"{url}/squares/0")
    assert twice == "[]1[]0"
