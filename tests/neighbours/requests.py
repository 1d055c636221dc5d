"""The table of requests, and what becomes of one: for any server on a port."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

SERVERS_OWN = frozenset(("date", "server", "connection", "keep-alive"))
"""Header fields that say which server it is, and nothing of the answer."""


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


_BOUNDARY = "ten-hosts"
_UPLOAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n'
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n'
    f"Content-Type: text/plain\r\n\r\nin the file\r\n--{_BOUNDARY}--\r\n"
).encode()

REQUESTS = {
    "seen": Ask("GET", "/seen?q=a%20b&r=%C3%A4", headers={"cookie": "c=1; d=2"}),
    "escaped path": Ask("GET", "/seen%20not"),
    "head": Ask("HEAD", "/seen"),
    "json": Ask("POST", "/json", json.dumps({"a": [1, "ä"]}).encode(),
                {"content-type": "application/json"}),
    "broken json": Ask("POST", "/json", b"{", {"content-type": "application/json"}),
    "form": Ask("POST", "/form", b"a=1+2&b=%C3%A4",
                {"content-type": "application/x-www-form-urlencoded"}),
    "upload": Ask("POST", "/form", _UPLOAD,
                  {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}),
    "large body": Ask("POST", "/echo", b"x" * 1_000_000,
                      {"content-type": "application/octet-stream"}),
    "stream": Ask("GET", "/stream"),
    "events": Ask("GET", "/events"),
    "cookies": Ask("GET", "/cookies"),
    "fails": Ask("GET", "/fails"),
    "gone": Ask("GET", "/gone/7"),
    "unprocessable": Ask("GET", "/gone/seven"),
    "nowhere": Ask("GET", "/nowhere"),
    "options": Ask("OPTIONS", "/seen"),
    "delete": Ask("DELETE", "/seen"),
}  # fmt: skip


def answers(port: int, prefix: str = "") -> dict[str, Any]:
    """What a server answers to all of them."""
    return {name: _answer(port, prefix, ask) for name, ask in REQUESTS.items()}


def _answer(port: int, prefix: str, ask: Ask) -> Any:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {"host": "service.example", **ask.headers}
        client.request(ask.method, prefix + ask.path, ask.body or None, headers)
        response = client.getresponse()
        body = response.read()
        fields = sorted(
            (name.lower(), value)
            for name, value in response.getheaders()
            if name.lower() not in SERVERS_OWN
        )
        return response.status, fields, body
    finally:
        client.close()


def conversations(port: int, prefix: str = "") -> dict[str, Any]:
    """What becomes of WebSockets."""
    return {
        "echo": _talk(port, f"{prefix}/ws", "hi", "ä"),
        "subprotocol": _talk(port, f"{prefix}/ws", "hi", subprotocols=["chat"]),
        "closed by us": _talk(port, f"{prefix}/ws", "close"),
        "nowhere": _talk(port, f"{prefix}/nowhere"),
    }


def _talk(port: int, path: str, *texts: str, subprotocols: list[str] | None = None) -> Any:
    url = f"ws://127.0.0.1:{port}{path}"
    offered = [Subprotocol(each) for each in subprotocols or ()]
    heard: list[Any] = []
    try:
        with websockets.sync.client.connect(
            url, subprotocols=offered or None, compression=None
        ) as ws:
            heard.append(ws.subprotocol)
            for text in texts:
                ws.send(text)
                heard += [ws.recv(timeout=20), ws.recv(timeout=20)]
    except InvalidStatus as exc:
        return exc.response.status_code
    except ConnectionClosed as exc:
        heard.append(exc.rcvd and (exc.rcvd.code, exc.rcvd.reason))
    return heard
