"""What Starlette and Litestar leave to their users, as plain ASGI callables, their fastest form."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-xss-protection", b"0"),
    (b"content-security-policy", b"frame-ancestors 'self'"),
]


class RequestId:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = name

        async def with_id(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], (b"x-request-id", name.encode())]
            await send(event)

        await self.app(scope, receive, with_id)


class SecurityHeaders:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(event: Any) -> None:
            if event["type"] == "http.response.start":
                there = {name for name, _ in event["headers"]}
                more = [each for each in SECURITY if each[0] not in there]
                event["headers"] = [*event["headers"], *more]
            await send(event)

        await self.app(scope, receive, with_headers)


class ServerTiming:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def with_time(event: Any) -> None:
            if event["type"] == "http.response.start":
                took = f"app;dur={(time.perf_counter() - began) * 1000:.1f}"
                event["headers"] = [*event["headers"], (b"server-timing", took.encode())]
            await send(event)

        await self.app(scope, receive, with_time)


class AccessLog:
    """Makes a line in the combined format for each answer, and drops it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, sent = time.perf_counter(), 0, 0

        async def noting(event: Any) -> None:
            nonlocal status, sent
            if event["type"] == "http.response.start":
                status = event["status"]
            else:
                sent += len(event.get("body", b""))
            await send(event)

        try:
            await self.app(scope, receive, noting)
        finally:
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
            self.write(
                f'{scope["client"][0]} - - [{stamp}] "{scope["method"]} {scope["path"]} '
                f'HTTP/{scope["http_version"]}" {status} {sent} "{headers.get(b"referer", "-")}" '
                f'"{headers.get(b"user-agent", "-")}" {time.perf_counter() - began:.6f} '
                f"{scope.get('state', {}).get('request_id', '-')}"
            )

    def write(self, line: str) -> None:
        """Drop it."""


class ETags:
    """Whole answers of 200 get a tag, and 304 if the client has it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        known = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
        start: Any = None

        async def tagging(event: Any) -> None:
            nonlocal start
            if event["type"] == "http.response.start" and event["status"] == 200:
                start = event
                return
            if start is not None:
                first, start = start, None
                if not event.get("more_body"):
                    tag = b'"%s"' % hashlib.sha256(event["body"]).hexdigest()[:32].encode()
                    first["headers"] = [*first["headers"], (b"etag", tag)]
                    if tag in known:
                        first["status"], event["body"] = 304, b""
                await send(first)
            await send(event)

        await self.app(scope, receive, tagging)


class RateLimit:
    """So many requests of each address in a second (GCRA), in the memory of this process."""

    def __init__(self, app: Any, rate: int) -> None:
        self.app = app
        self.rate = rate
        self.emission = 1.0 / rate
        self.due: dict[str, float] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        now, key = time.monotonic(), scope["client"][0]
        due = max(self.due.get(key, now), now) + self.emission
        left = int((1.0 - (due - now)) * self.rate)
        if left < 0:
            await send(
                {"type": "http.response.start", "status": 429, "headers": [(b"retry-after", b"1")]}
            )
            await send({"type": "http.response.body", "body": b""})
            return
        self.due[key] = due
        fields = [
            (b"ratelimit-policy", b'"default";q=%d;w=1' % self.rate),
            (b"ratelimit", b'"default";r=%d;t=1' % left),
        ]

        async def with_fields(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], *fields]
            await send(event)

        await self.app(scope, receive, with_fields)
