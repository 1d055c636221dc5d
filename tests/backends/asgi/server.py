"""A server that speaks ASGI, in memory, on asyncio or trio: what a real one does, by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel


class Call:
    """One scope. sent: what the application has sent. blocked: its sends wait from now on."""

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self._app = app
        self._scope = scope
        self._inbox: deque[dict[str, Any]] = deque()
        self._came = anyio.Event()
        self._free = anyio.Event()
        self._free.set()
        self.sent: list[dict[str, Any]] = []
        self.broken: Exception | None = None
        self.asked = 0

    @property
    def waiting(self) -> int:
        """How many messages the application has not taken."""
        return len(self._inbox)

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    def put(self, **message: Any) -> None:
        self._inbox.append(message)
        self._came.set()

    def block(self) -> None:
        self._free = anyio.Event()

    def unblock(self) -> None:
        self._free.set()

    async def until(self, condition: Callable[[], object]) -> None:
        with anyio.fail_after(5):
            while not condition():
                await anyio.lowlevel.checkpoint()

    async def _receive(self) -> dict[str, Any]:
        self.asked += 1
        while not self._inbox:
            self._came = anyio.Event()
            await self._came.wait()
        return self._inbox.popleft()

    async def _send(self, message: dict[str, Any]) -> None:
        if not self._free.is_set():  # As servers: else it is suspended, and the exchange lasts.
            await self._free.wait()
        if self.broken is not None:
            raise self.broken
        self.sent.append(message)

    # -- what was answered

    @property
    def status(self) -> int:
        return self.sent[0]["status"]  # type: ignore[no-any-return]

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent)


def http(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"a")],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
        **more,
    }


def websocket(path: str = "/ws", **more: Any) -> dict[str, Any]:
    scope = http(path, **more)
    return {**scope, "type": "websocket", "scheme": "ws", "subprotocols": [], **more}


@asynccontextmanager
async def alive(app: Any) -> AsyncGenerator[Call]:
    """Run the application's lifespan around the block."""
    call = Call(app, {"type": "lifespan", "asgi": {"version": "3.0"}})
    async with anyio.create_task_group() as group:
        group.start_soon(call.run)
        call.put(type="lifespan.startup")
        await call.until(lambda: call.sent)
        assert call.sent == [{"type": "lifespan.startup.complete"}]
        yield call
        call.put(type="lifespan.shutdown")
        await call.until(lambda: len(call.sent) == 2)
        assert call.sent[1] == {"type": "lifespan.shutdown.complete"}


async def answered(app: Any, scope: dict[str, Any], *messages: dict[str, Any]) -> Call:
    """Return the call of a request, when it has been answered."""
    call = Call(app, scope)
    for message in messages or ({"type": "http.request", "body": b"", "more_body": False},):
        call.put(**message)
    await call.run()
    return call
