"""What becomes of the table of requests: for any server on a port."""

from __future__ import annotations

import http.client
from typing import Any

import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.neighbours.table import REQUESTS, Ask

SERVERS_OWN = frozenset(("date", "server", "connection", "keep-alive"))
"""Header fields that say which server it is, and nothing of the answer."""


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
