"""One request to an ASGI app, as a server would pass it on: no client library changes its bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

Answer = tuple[int, dict[str, str], bytes]
"""Status, header fields by their names in lower case, and body."""


def answer(
    app: Any, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
) -> Answer:
    """Return what an app answers. An exception that it lets out after its 500 is dropped, as a
    server logs it."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "state": {},
    }
    sent: list[dict[str, Any]] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return given.pop() if given else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    try:
        asyncio.run(app(scope, receive, send))
    except Exception:
        if not sent:
            raise
    head = sent[0]
    fields = {
        bytes(name).decode().lower(): bytes(value).decode() for name, value in head["headers"]
    }
    return head["status"], fields, b"".join(each.get("body", b"") for each in sent[1:])
