"""Mounted applications and their clients that end in every wrong way. Each fails alone: the next
request is answered, and the server can be stopped."""

from __future__ import annotations

import asyncio
import http.client
import socket
import struct
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from anylane import App, ServerConfig
from anylane.config.limits import Timeouts
from anylane_conformance.contract.endings.failures import KINDS, fail
from tests.neighbours.servers import anylane_serves
from tests.waiting import eventually

WAYS = ("asyncio", "asyncio portal", "trio", "curio", "threads")
"""Lanes. On curio and threads there is always a portal."""


START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"end"}
PIECE = {"type": "http.response.body", "body": b"piece", "more_body": True}
WITH_TRAILERS = {**START, "trailers": True}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-sum", b"3")]}

ORDERS: dict[str, tuple[list[dict[str, Any]], int | None]] = {
    "a body first": ([END], 500),
    "two starts": ([START, START, END], 500),
    "nothing of a body": ([START], 500),
    "no end": ([START, PIECE], None),
    "no trailers": ([WITH_TRAILERS, END], None),
    "trailers without a body": ([WITH_TRAILERS, TRAILERS], 500),
    "an unknown message": ([{"type": "http.response.unknown"}], 500),
    "a message of a websocket": ([{"type": "websocket.accept"}], 500),
    "more behind the end": ([START, END, END], 200),
}
"""What is sent, and the status of the answer: None for one that breaks off."""


class Wrong:
    """An ASGI application. begun, told: an endless request has begun, and has ended. heard: how."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.begun = threading.Event()
        self.told = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise ValueError("it knows no lifespans")
        _, where, *rest = scope["path"].split("/")
        if where == "raises":
            fail(rest[0])
        if where == "breaks-off":
            await send(START)
            await send(PIECE)
            fail(rest[0])
        if where == "order":
            for message in ORDERS[rest[0]][0]:
                await send(message)
            return
        if where == "endless":
            await self._listen(receive)
            return
        if where == "trailers":
            await send(WITH_TRAILERS)
            await send(END)
            await send(TRAILERS)
            return
        await send(START)
        await send(END)

    async def _listen(self, receive: Any) -> None:
        self.begun.set()
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.heard.append("disconnect")
        except BaseException as exc:
            self.heard.append(type(exc).__name__)
            raise
        finally:
            self.told.set()


@contextmanager
def serving(application: Any, way: str, config: ServerConfig, **how: Any) -> Generator[int]:
    app = App()
    lane, _, portal = way.partition(" ")
    app.mount("/", application, **{"portal": bool(portal), **how})
    with anylane_serves(app, lane, config) as port:
        yield port


def ask(port: int, path: str) -> tuple[int | None, bytes]:
    """Return status and body, and None as the status of an answer that is not whole."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request("GET", path.replace(" ", "%20"))
        answer = client.getresponse()
        return answer.status, answer.read()
    except http.client.IncompleteRead as exc:
        return None, exc.partial
    finally:
        client.close()


CONFIG = ServerConfig(port=0, timeouts=Timeouts(drain=2))


@pytest.mark.parametrize("way", WAYS)
def test_whatever_an_asgi_application_raises_fails_its_request_alone(way: str) -> None:
    with serving(Wrong(), way, CONFIG) as port:
        for kind in KINDS:
            assert ask(port, f"/raises/{kind}")[0] == 500, kind
            assert ask(port, f"/breaks-off/{kind}") == (None, b"piece"), kind
            assert ask(port, "/") == (200, b"end"), kind


@pytest.mark.parametrize("way", WAYS)
def test_what_an_asgi_application_sends_out_of_order_fails_its_request_alone(way: str) -> None:
    with serving(Wrong(), way, CONFIG) as port:
        for name, (_, status) in ORDERS.items():
            assert ask(port, f"/order/{name}")[0] == status, name
            assert ask(port, "/") == (200, b"end"), name


@pytest.mark.parametrize("way", WAYS)
def test_trailers_may_follow_a_body_in_one_piece(way: str) -> None:
    with (
        serving(Wrong(), way, CONFIG) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.settimeout(10)
        client.sendall(b"GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
        found = b""
        while not found.endswith(b"\r\n\r\n") or b"end" not in found:
            piece = client.recv(1000)
            assert piece, found
            found += piece
        assert b"\r\n3\r\nend\r\n0\r\nx-sum: 3\r\n\r\n" in found


UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
HEAD = b"POST /endless HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize("body", [b"", b"half", b"0123456789"])
@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_leaves_ends_an_application_that_waits(way: str, body: bytes) -> None:
    application = Wrong()
    with serving(application, way, CONFIG) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(HEAD + body)
            assert application.begun.wait(10)
            # A reset: an end alone may come from a client that still reads.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert application.told.wait(10)
        assert application.heard == ["disconnect"]
        assert ask(port, "/") == (200, b"end")


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_never_ends_its_body_is_given_up(way: str) -> None:
    application = Wrong()
    config = ServerConfig(port=0, timeouts=Timeouts(body=0.2, drain=2))
    with serving(application, way, config) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(10)
            client.sendall(HEAD + b"half")
            assert client.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert application.told.wait(10)
        assert ask(port, "/") == (200, b"end")


@pytest.mark.parametrize("way", WAYS)
def test_an_application_that_never_ends_has_a_deadline(way: str) -> None:
    application = Wrong()
    config = ServerConfig(port=0, request_timeout=0.3, timeouts=Timeouts(drain=2))
    with serving(application, way, config) as port:
        assert ask(port, "/endless")[0] == 503
        assert application.told.wait(10)
        assert ask(port, "/") == (200, b"end")


@pytest.mark.parametrize("way", WAYS)
def test_an_application_that_goes_on_behind_its_end_leaves_nothing(way: str) -> None:
    """Many a framework answers what has ended it, by a 500 say, or reads what is left. A client can
    have that as often as it likes."""
    tasks: set[asyncio.Task[Any]] = set()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise ValueError("it knows no lifespans")
        if way != "trio":
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
        try:
            await anyio.sleep_forever()
        finally:
            if scope["path"] == "/send":
                await send(START)
            else:
                await receive()

    config = ServerConfig(port=0, request_timeout=0.2, timeouts=Timeouts(drain=2))
    with serving(application, way, config) as port:
        for path in ("/send", "/receive"):
            for waits in (True, False):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.settimeout(10)
                    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                    if waits:
                        assert client.recv(100).startswith(b"HTTP/1.1 503 ")
        eventually(lambda: way == "trio" or len(tasks) == 4)
        eventually(lambda: all(task.done() for task in tasks))


DENIAL = {"type": "websocket.http.response.start", "status": 418, "headers": []}
DENIED = {"type": "websocket.http.response.body", "body": b"denied"}
ACCEPT = {"type": "websocket.accept"}

HANDSHAKES: dict[str, tuple[list[dict[str, Any]], bytes]] = {
    "nothing": ([], b"500"),
    "a message first": ([{"type": "websocket.send", "text": "a"}], b"500"),
    "a denial without its start": ([DENIED], b"500"),
    "half of a denial": ([DENIAL], b"500"),
    "an answer to a request": ([START, END], b"500"),
    "a refusal": ([{"type": "websocket.close"}], b"403"),
    "a denial": ([DENIAL, DENIED], b"418"),
    "an acceptance behind a denial": ([DENIAL, DENIED, ACCEPT], b"418"),
    "two acceptances": ([ACCEPT, ACCEPT], b"101"),
    "two denials": ([DENIAL, {**DENIAL, "status": 410}, DENIED], b"500"),
    "an acceptance within a denial": ([DENIAL, ACCEPT], b"500"),
    "a refusal within a denial": ([DENIAL, {"type": "websocket.close"}], b"500"),
    "a denial behind an acceptance": ([ACCEPT, DENIAL, DENIED], b"101"),
}
"""What is sent for a WebSocket, and the status of its handshake."""


@pytest.mark.parametrize("way", WAYS)
def test_what_is_sent_out_of_order_for_a_websocket_fails_it_alone(way: str) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            for message in HANDSHAKES[scope["path"][1:]][0]:
                await send(message)
        else:
            await Wrong()(scope, receive, send)

    with serving(application, way, CONFIG) as port:
        for name, (_, status) in HANDSHAKES.items():
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.settimeout(10)
                path = b"/" + name.replace(" ", "%20").encode()
                client.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (path, UPGRADE))
                assert client.recv(1000).startswith(b"HTTP/1.1 %b " % status), name
            assert ask(port, "/") == (200, b"end"), name


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_leaves_a_websocket_ends_an_application_that_waits(way: str) -> None:
    heard: list[dict[str, Any]] = []
    told = threading.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send(ACCEPT)
            while not heard or heard[-1]["type"] != "websocket.disconnect":
                heard.append(await receive())
            told.set()

    with (
        serving(application, way, CONFIG) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.settimeout(10)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % UPGRADE)
        assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
        client.close()
        assert told.wait(10)
    assert [each["type"] for each in heard] == ["websocket.connect", "websocket.disconnect"]


class Living:
    """An ASGI application that raises at one moment of its life."""

    def __init__(self, moment: str, kind: str) -> None:
        self._moment = moment
        self._kind = kind

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await send(START)
            await send(END)
            return
        self._at("first")
        await receive()
        self._at("start")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._at("end")
        await send({"type": "lifespan.shutdown.complete"})

    def _at(self, moment: str) -> None:
        if moment == self._moment:
            fail(self._kind)


@pytest.mark.parametrize(
    "kind", ["unspeakable", "asyncio-cancelled", "system-exit", "unspeakable-base"]
)
@pytest.mark.parametrize("moment", ["first", "start", "end"])
@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_lifespan_raises_keeps_no_server_waiting(
    way: str, moment: str, kind: str
) -> None:
    if moment != "end" and kind in ("system-exit", "unspeakable-base"):
        with (
            pytest.raises(RuntimeError, match="the application mounted at / could not start: "),
            serving(Living(moment, kind), way, CONFIG),
        ):
            pass
        return
    with serving(Living(moment, kind), way, CONFIG) as port:
        assert ask(port, "/") == (200, b"end")


@pytest.mark.parametrize("way", WAYS)
def test_a_start_that_has_failed_is_the_same_error_on_every_lane(way: str) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with (
        pytest.raises(RuntimeError, match="could not start: no database"),
        serving(application, way, CONFIG),
    ):
        pass


def wrong_wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    _, where, *rest = environ["PATH_INFO"].split("/")
    if where == "raises":
        fail(rest[0])
    if where == "body-first":
        return [b"piece"]
    if where == "no-iterable":
        start_response("200 OK", [])
        return 5  # type: ignore[return-value]
    start_response("200 OK", [])
    if where == "twice":
        start_response("200 OK", [])
    return _breaking_off(rest[0]) if where == "breaks-off" else [b"end"]


def _breaking_off(kind: str) -> Iterable[bytes]:
    yield b"piece"
    fail(kind)


@pytest.mark.parametrize("lane", ["asyncio", "trio", "curio", "threads"])
def test_whatever_a_wsgi_application_does_fails_its_request_alone(lane: str) -> None:
    with serving(wrong_wsgi, lane, CONFIG, portal=False, wsgi=True) as port:
        for kind in KINDS:
            assert ask(port, f"/raises/{kind}")[0] == 500, kind
            assert ask(port, f"/breaks-off/{kind}") == (None, b"piece"), kind
            assert ask(port, "/") == (200, b"end"), kind
        for where in ("body-first", "no-iterable", "twice"):
            assert ask(port, f"/{where}")[0] == 500, where
            assert ask(port, "/") == (200, b"end"), where
