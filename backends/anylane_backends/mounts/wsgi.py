"""WsgiMount: a WSGI application below a prefix of an App (PEP 3333). It runs in the pool."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from anylane.handling.context import Context
from anylane.handling.stream import Stream
from anylane.http.urlencoded import percent_decoded
from anylane_backends.mounts.place import Place, place_of

WsgiCallable = Callable[..., Iterable[bytes]]

METHODS = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")

_OURS = frozenset(("connection", "transfer-encoding", "date"))


class WsgiMount:
    """What `app.mount(prefix, application, wsgi=True)` makes of a WSGI application.

    The body of a request comes as it is read, and that of an answer goes
    out piece by piece, so both may be large; a client that reads slowly stops the application.
    """

    methods = METHODS

    def __init__(self, application: WsgiCallable) -> None:
        self._application = application

    async def handle(self, ctx: Context, path: str) -> None:
        """Answer one request."""
        if ctx.link.host.lane == "Lockstep":
            # There it runs on the test's own thread, and nothing could come while it reads.
            await ctx.request.body()
        await ctx.run_handler(partial(self._serve, place=place_of(ctx, path)))

    def _serve(self, ctx: Context, *, place: Place) -> None:
        answer = _Answer(ctx)
        result = self._application(_environ(ctx, place), answer.start_response)
        try:
            for piece in result:
                answer.write(piece)
            answer.end()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()


def _environ(ctx: Context, place: Place) -> dict[str, Any]:
    request = ctx.request
    server = request.server if isinstance(request.server, tuple) else ("localhost", 80)
    client = request.client if isinstance(request.client, tuple) else ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        # PEP 3333: bytes, each as a character.
        "SCRIPT_NAME": percent_decoded(place.root).decode("latin-1"),
        "PATH_INFO": percent_decoded(place.inside).decode("latin-1"),
        "QUERY_STRING": request.query_string,
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BufferedReader(_Input(ctx)),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        if "_" in name:
            continue  # It could pass for the name with hyphens (CVE-2015-0219).
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        joiner = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{joiner}{value}" if key in environ else value
    return environ


class _Input(io.RawIOBase):
    """The body of the request, read as it comes."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = self._ctx.call(self._next)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    async def _next(self) -> bytes:
        while (piece := self._ctx.request.poll()) is None:
            await self._ctx.link.wait()
        return piece


class _Answer:
    """The response, as `start_response` and the pieces make it."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._length: int | None = None
        self._told = False
        self._stream: Stream | None = None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """See PEP 3333."""
        if exc_info is not None and self._stream is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._told and exc_info is None:
            raise RuntimeError("the mounted application called start_response twice")
        response = self._ctx.response
        for name, _ in list(response.headers.items()) if self._told else ():
            response.remove_header(name)
        self._told = True
        response.set_status(int(status[:3]))
        self._length = None
        for name, value in headers:
            if name.lower() == "content-length":
                self._length = int(value)
            elif name.lower() not in _OURS:
                response.add_header(name, value)
        return self.write

    def write(self, piece: bytes) -> None:
        """Send a piece of the body, behind the head if it is the first."""
        if not piece:
            return
        if not self._told:
            raise RuntimeError("the mounted application sent a body before start_response")
        self._ctx.call(self._begun().write, piece)

    def end(self) -> None:
        """Send what is left of the answer."""
        if not self._told:
            raise RuntimeError("the mounted application never called start_response")
        self._ctx.call(self._begun().__aexit__, None, None, None)

    def _begun(self) -> Stream:
        """Return the stream of the answer, whose head is out."""
        if self._stream is None:
            self._stream = self._ctx.stream(length=self._length)
            self._ctx.call(self._stream.__aenter__)
        return self._stream
