"""The demo on every backend, with real clients: curl, httpx, websockets."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from anylane_backends.hosting.loading import backends


@pytest.fixture(
    params=["asyncio", "uvloop", "anyio", "trio", "curio", "threads"],
    scope="module",
)
def url(request: pytest.FixtureRequest, demo: Any) -> Generator[str]:
    with demo(request.param) as url:
        yield url


def test_page_and_json(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        page = client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "One Python web app, any lane" in page.text
        assert client.get("/about").json()["backend"] in backends()
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
    chat = url.replace("http", "ws") + "/chat/lobby"
    with connect(f"{chat}?name=Ada") as one, connect(f"{chat}?name=Grace") as two:
        for ws in (one, two):
            while json.loads(ws.recv(timeout=10))["kind"] != "welcome":
                pass
        one.send("hello")
        for ws in (one, two):
            while (event := json.loads(ws.recv(timeout=10)))["kind"] != "said":
                pass
            assert (event["name"], event["text"]) == ("Ada", "hello")


def test_metrics(url: str) -> None:
    with httpx.stream("GET", f"{url}/metrics/events") as response:
        assert response.headers["content-type"] == "text/event-stream"
        lines = response.iter_lines()
        for line in lines:
            if line.startswith("data:") and "memory" in line:
                break
        else:
            pytest.fail("the stream ended without a sample")
        assert json.loads(line.removeprefix("data:"))["memory"] > 1_000_000


def test_notes(url: str) -> None:
    with httpx.Client(base_url=f"{url}/notes", headers={"origin": url}) as client:
        assert client.get("/").headers["location"] == "/notes/login"
        ada = {"name": "Ada", "password": "password of Ada"}
        assert client.post("/signup", data=ada).headers["location"] == "/notes/"
        picture = {"picture": ("a.png", b"\x89PNG\r\n\x1a\n", "image/png")}
        client.post("/notes/0", data={"title": "Tea"}, files=picture)
        assert 'src="/notes/notes/1/picture' in client.get("/").text
        headers = {"authorization": f"Bearer {client.post('/api/token', json=ada).json()['token']}"}
        assert [note["title"] for note in client.get("/api/notes", headers=headers).json()] == [
            "Tea"
        ]
        assert client.get("/ready").json()["status"] == "ready"
        assert 'route="/notes/api/notes"' in client.get("/metrics").text
        assert client.get("/openapi.json").json()["info"]["title"] == "Notes"


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
