"""What is measured: a table of works, and the check that a peer really does a work."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import dataclass

from server import Broken, Server

PARTS = {
    0: "",
    3: "request id, security headers, CORS",
    10: "those three, server timing, an access log that is dropped, trusted hosts, compression "
    "(the answer is too small for it), ETags, sessions (none is used), a rate limit",
}
"""How many parts the works about them have, and which. Where a framework has none of its own, it is
a plain ASGI callable."""

PAGE = "Origin: https://page.example\r\n"
"""What the page sends that CORS lets in."""

TRACES = {
    3: ("x-request-id", "x-content-type-options", "access-control-allow-origin"),
    10: ("server-timing", "etag", "ratelimit-policy"),
}
"""The header fields by which parts are known, and from how many parts on each is there."""

BODY = b'{"name":"x","n":[1,2,3]}'

TYPED = {
    "name": "Ada",
    "email": "ada@example.org",
    "age": 36,
    "score": 9.5,
    "is_active": True,
    "nickname": None,
    "tags": ["a", "b"],
    "visits": 7,
}
"""What the work "typed" sends; in the load each request has other values."""

STORED = {
    "id": 42,
    "page": 2,
    "size": 50,
    "verbose": True,
    "name": "Ada",
    "score": 9.5,
    "tags": ["a", "b"],
    "visits": 7,
}
"""What is answered to `TYPED` at the path of that work."""


@dataclass(frozen=True, slots=True)
class Work:
    """One row."""

    name: str
    title: str
    needs: str
    """What a peer must be able to do: see peers.py."""
    path: str = "/plain"
    wrk: tuple[str, ...] = ("get",)
    """The kind of wrk.lua and its number; or, with `loader`, the arguments of that loader."""
    loader: str = "wrk"
    middleware: int = 0
    tls: bool = False
    connections: int = 64
    note: str = ""

    @property
    def parts(self) -> bool:
        """Whether its middleware are ready-made parts."""
        return self.needs == "parts"


WORKS = {
    work.name: work
    for work in (
        Work("plaintext", "plaintext", "plain"),
        Work("json", "JSON", "body", "/json"),
        Work(
            "routed",
            "routed parameter, three middleware, JSON",
            "routed",
            "/users/42",
            middleware=3,
        ),
        Work(
            "echo",
            "routed parameter, three middleware, JSON body echoed (POST)",
            "routed",
            "/echo/42",
            ("echo",),
            middleware=3,
        ),
        Work("browser", "headers as a browser sends them", "plain", wrk=("browser",)),
        Work(
            "changing",
            "the path and a header differ in every request (three middleware)",
            "routed",
            "/users/42",
            ("changing",),
            middleware=3,
            note="8,192 of them in turn, so no head repeats itself soon",
        ),
        Work(
            "browser-changing",
            "a browser's headers, one of them and the path different in every request",
            "routed",
            "/users/42",
            ("browserchanging",),
            middleware=3,
        ),
        Work(
            "proxied",
            "the heads of eight browsers in turn on each connection, as a proxy sends them",
            "routed",
            "/users/42",
            ("proxied",),
            middleware=3,
            note="the path is another in each request",
        ),
        Work("pipelined", "16 requests at once, pipelined", "plain", wrk=("pipelined", "16")),
        Work("close", "a new connection for every request", "plain", wrk=("close",)),
        Work("tls", "plaintext over TLS 1.3", "tls", tls=True),
        Work("upload", "1 MiB upload", "body", "/upload", ("upload",), connections=8),
        Work("download", "1 MiB download", "body", "/download", connections=8),
        Work(
            "latency",
            "plaintext at a fixed load of some 2,000 requests a second",
            "plain",
            wrk=("paced", "32"),
        ),
        Work(
            "latency-routed",
            "routed, three middleware, at a fixed load of some 2,000 requests a second",
            "routed",
            "/users/42",
            wrk=("paced", "32"),
            middleware=3,
        ),
        Work(
            "ws-64",
            "WebSocket echo, 64 B, four in flight on each connection",
            "ws",
            "/ws",
            ("64", "4"),
            "echo",
            connections=32,
            note="four, so that the loader's system calls are not what is measured",
        ),
        Work(
            "ws-64-one",
            "WebSocket echo, 64 B, one in flight on each connection",
            "ws",
            "/ws",
            ("64",),
            "echo",
            connections=32,
            note="the loader works as hard as the server here: see busy and core time",
        ),
        Work("ws-4k", "WebSocket echo, 4 KiB", "ws", "/ws", ("4096",), "echo", connections=32),
        Work("ws-64k", "WebSocket echo, 64 KiB", "ws", "/ws", ("65536",), "echo", connections=8),
        *(
            Work(
                f"parts-{count}",
                f"routed parameter, JSON, {count or 'no'} ready-made parts",
                "parts",
                "/users/42",
                ("page",),
                middleware=count,
                note=note,
            )
            for count, note in PARTS.items()
        ),
        Work(
            "typed",
            "a typed handler: path, three query parameters, JSON of eight fields, typed answer",
            "typed",
            "/typed/42?page=2&size=50&verbose=true",
            ("typed",),
            note="path, query and body differ in each request",
        ),
        Work("ws-room", "WebSocket, one to 500", "room", "/room", ("64",), "room", connections=500),
        Work(
            "sse",
            "server-sent events, one to 500",
            "events",
            "/events",
            (),
            "events",
            connections=500,
        ),
    )
}


def ask(
    server: Server, method: str, path: str, body: bytes = b"", more: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own, read to its end."""
    sock: socket.socket = socket.create_connection(("127.0.0.1", server.port), 10)
    try:
        if server.tls is not None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        kind = "application/octet-stream" if path == "/upload" else "application/json"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
        head += more
        if method in ("POST", "PUT"):
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        sock.sendall(head.encode() + b"\r\n" + body)
        answer = bytearray()
        while True:
            try:
                data = sock.recv(1 << 20)
            except (ConnectionError, ssl.SSLError):
                break
            if not data:
                break
            answer += data
    finally:
        sock.close()
    first, _, content = bytes(answer).partition(b"\r\n\r\n")
    status, *lines = first.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        content = _dechunked(content)
    return int(status.split()[1]) if status else 0, headers, content


def _dechunked(data: bytes) -> bytes:
    parts = []
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        parts.append(data[:length])
        data = data[length + 2 :]
    return b"".join(parts)


def check(server: Server, work: Work) -> None:
    """Raise Broken unless the peer's answer is the one the contract asks for."""
    if work.loader != "wrk":
        return  # These loaders check every message themselves.
    try:
        if work.path.startswith("/echo"):
            status, headers, body = ask(server, "POST", work.path, BODY)
            right = json.loads(body) == json.loads(BODY)
        elif work.path == "/upload":
            status, headers, body = ask(server, "POST", work.path, b"x" * (1 << 20))
            right = json.loads(body) == {"received": 1 << 20}
        elif work.name == "typed":
            status, headers, body = ask(server, "PUT", work.path, json.dumps(TYPED).encode())
            right = json.loads(body) == STORED
        else:
            status, headers, body = ask(server, "GET", work.path, more=PAGE * bool(work.parts))
            match work.path:
                case "/plain":
                    right = body == b"Hello, World!"
                case "/json":
                    right = json.loads(body) == {"message": "Hello, World!"}
                case "/download":
                    right = body == b"x" * (1 << 20)
                case _:
                    right = json.loads(body) == {"id": 42}
    except (OSError, ValueError, IndexError) as exc:
        raise Broken(f"{work.path}: {exc!r}") from exc
    if status != 200 or not right:
        raise Broken(f"{work.path} was answered with {status} {body[:80]!r}")
    if work.parts:
        _check_parts(work, headers)
    elif work.middleware >= 3 and headers.get("x-served-by") != "bench":
        raise Broken(f"{work.path}: the middleware did not run")


def _check_parts(work: Work, headers: dict[str, str]) -> None:
    """Raise Broken unless the answer has the traces of so many parts, and of no more."""
    for count, names in TRACES.items():
        for name in names:
            if (name in headers) is not (work.middleware >= count):
                raise Broken(f"{work.name}: {name} is there, or is not, against the contract")
