"""Applications of other kinds, mounted: a small ASGI one and a small WSGI one, by hand.

They await nothing but what they are given, so they run in memory, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from anylane import App, Context

if TYPE_CHECKING:
    from anylane_conformance.contract.stage import Stage


class Neighbour:
    """An ASGI application. What it has seen of its life is in its state."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await _live(scope, receive, send)
        elif scope["type"] == "websocket":
            await _talk(scope, receive, send)
        else:
            await _ANSWERS[scope["path"].removeprefix(scope["root_path"])](scope, receive, send)


async def _live(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["life"] = "begun"
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})


async def _whole(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def _scope(scope: Any, receive: Any, send: Any) -> None:
    seen = {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode(),
        "root_path": scope["root_path"],
        "query": scope["query_string"].decode(),
        "state": scope["state"],
        "host": dict(scope["headers"])[b"host"].decode(),
    }
    await _whole(send, 200, json.dumps(seen).encode(), (b"content-type", b"application/json"))


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        body += message.get("body", b"")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (body[:4], body[4:]):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def _cookies(scope: Any, receive: Any, send: Any) -> None:
    cookies = ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
    await _whole(send, 201, b"two", *cookies)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    return


async def _raises(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("the neighbour's own")


async def _trailers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
    await send({"type": "http.response.body", "body": b"body", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"4")]})


_ANSWERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "/scope": _scope,
    "/echo": _echo,
    "/cookies": _cookies,
    "/nothing": _nothing,
    "/raises": _raises,
    "/trailers": _trailers,
}


async def _talk(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    subprotocol = next(iter(scope["subprotocols"]), None)
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "asked to"})
            return
        await send({**message, "type": "websocket.send"})


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve one request as WSGI does (PEP 3333)."""
    path = environ["PATH_INFO"]
    if path == "/environ":
        names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_HOST")
        body = json.dumps({name: environ[name] for name in names}).encode()
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [("Content-Type", "application/json"), length])
        return [body]
    if path == "/echo":
        size = int(environ.get("CONTENT_LENGTH") or 0)
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return _pieces(environ["wsgi.input"], size)
    if path == "/raises":
        raise ValueError("the neighbour's own")
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


def _pieces(body: Any, left: int) -> Iterable[bytes]:
    while left:
        piece = body.read(min(left, 1000))
        if not piece:
            return
        left -= len(piece)
        yield piece


def mounted(app: App, stage: Stage) -> None:
    """Mount both, with a hook around them."""
    app.mount("/asgi", Neighbour())
    app.mount("/wsgi", wsgi, wsgi=True)

    @app.response_middleware
    async def seen(ctx: Context) -> None:
        ctx.response.set_header("x-seen", str(ctx.response.status))
