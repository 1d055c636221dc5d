"""The test client asks ASGI and WSGI applications, too."""

from __future__ import annotations

from typing import Any

import pytest

from anylane.testing import TestClient


async def greet(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})


def old(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


@pytest.mark.parametrize("backend", [None, "threads"])
def test_asgi_and_wsgi_applications_are_asked(backend: str | None) -> None:
    with TestClient(greet, backend=backend) as client:
        assert client.get("/a/b").text == "/a/b"
    with TestClient(old, backend=backend, wsgi=True) as client:
        assert client.get("/a/b").text == "/a/b"
