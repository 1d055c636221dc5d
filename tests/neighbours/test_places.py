"""Where a mounted application finds itself: below which prefix, and in which server."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterable
from typing import Any

import pytest

from anylane import App, Server, ServerConfig
from anylane.testing import TestClient

OK = {"type": "http.response.start", "status": 200, "headers": []}


async def seen(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what the scope says, by a message of a WebSocket where it is one."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    text = json.dumps([scope["root_path"], scope["path"], scope["raw_path"].decode()])
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close"})
        return
    await send(OK)
    await send({"type": "http.response.body", "body": text.encode()})


def old(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [json.dumps([environ["SCRIPT_NAME"], environ["PATH_INFO"]]).encode()]


def site() -> App:
    app, inner = App(), App()
    for place in (app, inner):
        place.mount("/new", seen)
        place.mount("/old", old, wsgi=True)
    deepest = App()
    deepest.mount("/", seen)
    inner.mount("/deep", deepest)
    app.mount("/in", inner)
    app.mount("/of/{tenant}", tenants := App())
    tenants.mount("/new", seen)
    tenants.mount("/old", old, wsgi=True)
    return app


PLACES = {
    "/new": ["/new", "/new", "/new"],
    "/new/": ["/new", "/new/", "/new/"],
    "/new/x": ["/new", "/new/x", "/new/x"],
    "/new/new/new": ["/new", "/new/new/new", "/new/new/new"],
    "/n%65w/x": ["/new", "/new/x", "/n%65w/x"],
    "/new/a%2Fb": ["/new", "/new/a/b", "/new/a%2Fb"],
    "/new//x": ["/new", "/new//x", "/new//x"],
    "/new/%C3%A4": ["/new", "/new/\xe4", "/new/%C3%A4"],
    "/in/new/x": ["/in/new", "/in/new/x", "/in/new/x"],
    "/in/deep/x": ["/in/deep", "/in/deep/x", "/in/deep/x"],
    "/of/a%2Fb/new/x": ["/of/a/b/new", "/of/a/b/new/x", "/of/a%2Fb/new/x"],
    "/old": ["/old", ""],
    "/old/": ["/old", "/"],
    "/old/x": ["/old", "/x"],
    "/old/old/old": ["/old", "/old/old"],
    "/ol%64/x": ["/old", "/x"],
    "/old/a%2Fb": ["/old", "/a/b"],
    "/old//x": ["/old", "//x"],
    "/old/%C3%A4": ["/old", "/\xc3\xa4"],
    "/in/old/x": ["/in/old", "/x"],
    "/of/%C3%A4/old/x": ["/of/\xc3\xa4/old", "/x"],
}
"""What is asked for, and what the application is told: ASGI's root_path, path and raw_path, or
WSGI's SCRIPT_NAME and PATH_INFO."""


def test_an_application_is_told_the_whole_way_to_it() -> None:
    with TestClient(site()) as client:
        assert {path: client.get(path).json() for path in PLACES} == PLACES


def test_a_websocket_is_told_the_same() -> None:
    with TestClient(site()) as client:
        for path, expected in PLACES.items():
            if len(expected) == 3:
                with client.websocket(path) as ws:
                    assert ws.receive_json() == expected


def test_what_a_proxy_has_taken_off_stands_in_front() -> None:
    """As uvicorn does it for --root-path: `path` has the prefix, too."""
    with TestClient(site(), ServerConfig(root_path="/a%20b")) as client:
        assert client.get("/in/new/x").json() == [
            "/a b/in/new",
            "/a b/in/new/x",
            "/a%20b/in/new/x",
        ]
        assert client.get("/in/old/x").json() == ["/a b/in/old", "/x"]


class Counting:
    """An ASGI application that tells which of its lives a request belongs to."""

    def __init__(self) -> None:
        self.lives = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.lives += 1
            scope["state"]["life"] = self.lives
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        asyncio.get_running_loop()  # Of the lane, or of its portal.
        await send(OK)
        body = str(scope["state"]["life"]).encode()
        await send({"type": "http.response.body", "body": body})


def ask(server: Server) -> str:
    client = http.client.HTTPConnection("127.0.0.1", server.addresses[0][1], timeout=10)
    try:
        client.request("GET", "/new/")
        return client.getresponse().read().decode()
    finally:
        client.close()


@pytest.mark.parametrize(
    "lanes", [("asyncio", "asyncio"), ("threads", "threads"), ("threads", "asyncio")]
)
def test_each_server_of_an_app_has_a_life_of_it(lanes: tuple[str, str]) -> None:
    app = App()
    app.mount("/new", Counting())
    first, second = (Server(app, ServerConfig(port=0), each).start().wait_ready() for each in lanes)
    try:
        assert (ask(first), ask(second)) == ("1", "2")
        first.shutdown()
        assert first.wait(10)
        assert ask(second) == "2"
    finally:
        for server in (first, second):
            server.shutdown()
            assert server.wait(10)
