"""Three middleware as Starlette's documentation recommends for speed: plain ASGI callables."""

from __future__ import annotations

from typing import Any

import setting


class Leave:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["user"] = "bench"
        await self.app(scope, receive, send)


class Answer:
    def __init__(self, app: Any, name: bytes = b"x-served-by") -> None:
        self.app = app
        self.header = (name, b"bench")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_header(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], self.header]
            await send(event)

        await self.app(scope, receive, with_header)


class Refuse:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            for name, _ in scope["headers"]:
                if name == b"x-blocked":
                    await send({"type": "http.response.start", "status": 403, "headers": []})
                    await send({"type": "http.response.body", "body": b""})
                    return
        await self.app(scope, receive, send)


def stack() -> list[tuple[Any, dict[str, Any]]]:
    """Outermost first: the class and its arguments."""
    found: list[tuple[Any, dict[str, Any]]] = [(Leave, {}), (Answer, {}), (Refuse, {})]
    found += [(Answer, {"name": setting.header(n).encode()}) for n in range(3, setting.MIDDLEWARE)]
    return found[: setting.MIDDLEWARE]
