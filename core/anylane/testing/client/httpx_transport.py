"""HttpxTransport: an app in memory behind a client of httpx or httpx2, sync or async.

Importing this module does not import httpx, which would load sockets into the core.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anylane.app import App
from anylane.config.server_config import ServerConfig
from anylane.http.headers import Headers
from anylane.testing.client.errors import IncompleteResponse
from anylane.testing.client.in_memory import LockstepLane
from anylane.testing.client.pool import ConnectionPool
from anylane.testing.client.request import ClientRequest
from anylane.testing.client.response import ClientResponse
from anylane.testing.world import LogRecord

_PACKAGES = ("httpx", "httpx2")


class _AppTransport:
    """What a transport of either package does. The package is the one whose request comes."""

    def __init__(
        self,
        app: App,
        config: ServerConfig | None = None,
        *,
        raise_server_exceptions: bool = False,
    ) -> None:
        self._pool = ConnectionPool(
            lambda log: LockstepLane(app, config, log), raises=raise_server_exceptions
        )

    @property
    def log(self) -> list[LogRecord]:
        """What the server has logged, in order."""
        return self._pool.log.records

    @property
    def now(self) -> float:
        """The virtual time, in seconds."""
        return self._pool.lane.now()

    def advance(self, seconds: float) -> None:
        """Let virtual time pass, in seconds."""
        self._pool.lane.advance(seconds)

    def handle_request(self, request: Any) -> Any:
        """Answer a request, as the package's BaseTransport says."""
        return self._answer(request, request.stream)

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request, as the package's AsyncBaseTransport says."""
        # In memory nothing suspends, so the body is fetched first and the answer is there at once.
        return self._answer(request, [chunk async for chunk in request.stream])

    def close(self) -> None:
        """Drain, and run the shutdown hooks."""
        self._pool.close()

    async def aclose(self) -> None:
        """Drain, and run the shutdown hooks."""
        self._pool.close()

    def _answer(self, request: Any, body: Iterable[bytes]) -> Any:
        package = sys.modules[type(request).__module__.partition(".")[0]]
        try:
            response = self._pool.send(
                ClientRequest(
                    request.method,
                    str(request.url),
                    request.url.raw_path.decode("ascii"),
                    Headers.from_wire(request.headers.raw),
                    body,
                ),
                lambda _: None,
            )
            return package.Response(
                response.status,
                headers=response.headers.items(),
                stream=_body_class(package)(response, package, request),
                extensions={
                    "http_version": response.http_version.encode("ascii"),
                    "reason_phrase": response.reason.encode("latin-1"),
                },
            )
        except IncompleteResponse as exc:
            raise package.RemoteProtocolError(str(exc), request=request) from exc


class _Body:
    """The body of a response, as it is read."""

    def __init__(self, response: ClientResponse, package: Any, request: Any) -> None:
        self._response = response
        self._package = package
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_bytes()
        except IncompleteResponse as exc:
            raise self._package.RemoteProtocolError(str(exc), request=self._request) from exc

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self._response.close()

    async def aclose(self) -> None:
        self._response.close()


def _body_class(package: Any) -> Any:
    """Return `_Body` as a byte stream of the package."""
    return type("Body", (_Body, package.SyncByteStream, package.AsyncByteStream), {})


def transport_class() -> Any:
    """Return the class, derived from the base classes of each package that is installed.

    Raises ImportError if neither httpx nor httpx2 is.
    """
    bases: list[Any] = []
    for name in _PACKAGES:
        try:
            package = import_module(name)
        except ModuleNotFoundError as exc:
            if exc.name != name:
                raise
            continue
        bases += [package.BaseTransport, package.AsyncBaseTransport]
    if not bases:
        raise ImportError("HttpxTransport needs httpx or httpx2: pip install httpx2")
    return type("HttpxTransport", (_AppTransport, *bases), {"__doc__": _DOC})


_DOC = """An app in memory, for a client of httpx or httpx2.

    httpx.Client(transport=HttpxTransport(app), base_url="http://test")
    httpx.AsyncClient(transport=HttpxTransport(app), base_url="http://test")

raise_server_exceptions: raise what a handler raised and no exception handler took. httpx's
time-outs have no effect here: time is virtual, and jumps.
"""


if TYPE_CHECKING:
    import httpx
    import httpx2

    class HttpxTransport(
        _AppTransport,
        httpx.BaseTransport,
        httpx.AsyncBaseTransport,
        httpx2.BaseTransport,
        httpx2.AsyncBaseTransport,
    ): ...
