"""TestClient: talk to an app as its clients do, in memory or on a real lane.

It sees the app from outside only. A `Lane` and its `Wire`s are all that it knows of where the app
runs.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import urljoin

from anylane.app import App
from anylane.config.server_config import ServerConfig
from anylane.errors import UsageError
from anylane.http.headers import Headers, Initial
from anylane.keywords import check_keywords
from anylane.testing.client.cookie_jar import CookieJar
from anylane.testing.client.events import ClientEvents
from anylane.testing.client.in_memory import LockstepLane
from anylane.testing.client.log import ClientLog
from anylane.testing.client.pool import ConnectionPool
from anylane.testing.client.request import (
    ClientRequest,
    Params,
    RequestBody,
    RequestHead,
    RequestOptions,
    RequestParts,
    build_request,
)
from anylane.testing.client.response import ClientResponse
from anylane.testing.client.websocket import ClientWebSocket, add_handshake
from anylane.testing.client.wire import Lane
from anylane.testing.schema_check.comparison import SchemaCheck
from anylane.testing.world import LogRecord, World

_ELSEWHERE = {
    "allow_redirects": "did you mean 'follow_redirects'?",
    "body": "did you mean 'content'?",
    "timeout": "TestClient(app, patience=) says how long an answer is waited for",
}
"""Keywords that other clients have."""

_MAX_REDIRECTS = 20
"""As browsers."""


class TestClient:
    """A client of an app: requests, streams, WebSockets, cookies, virtual time.

    `with TestClient(app) as client:` runs the startup hooks on entering and the shutdown hooks on
    leaving. Without `with`, the first request starts the server and `close()` ends it. What a
    startup hook raises passes.

    app: the app; or an ASGI application, or with wsgi=True a WSGI application. In memory such a one
        has to await nothing but what it is given.
    config: its settings. The client is no proxy, so `proxy_protocol` is off.
    backend: None runs the app in memory, in virtual time. A name or `package.module:Class` runs it
        on that lane, on real sockets.
    base_url: what relative URLs are relative to. Its host is the Host header.
    headers, cookies: sent with every request.
    follow_redirects: whether requests follow redirects, unless they say otherwise.
    raise_server_exceptions: raise what a handler raised and no exception handler took, instead of
        returning its 500 with the exception in `response.error`.
    patience: seconds to wait for bytes on a real lane.
    check_schema: hold each answer, and each request that the app takes, to what `app.openapi()`
        says. What it does not say is an AssertionError. Of a stream the head is checked, of a
        WebSocket nothing. Raises UsageError for an app without `openapi`; needs the extra `schema`.
    """

    __test__ = False  # For pytest, which collects classes named Test*.

    def __init__(
        self,
        app: App | Callable[..., Any],
        config: ServerConfig | None = None,
        *,
        backend: str | None = None,
        wsgi: bool = False,
        base_url: str = "http://testserver",
        headers: Initial = (),
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
        raise_server_exceptions: bool = False,
        patience: float = 10.0,
        check_schema: bool = False,
    ) -> None:
        if not isinstance(app, App) and callable(app):
            app, other = App(), app
            app.mount("/", other, wsgi=wsgi)
        self.app: App = app
        self.base_url = base_url
        self.headers: Headers = Headers(headers)
        self.cookies: CookieJar = CookieJar((cookies or {}).items())
        self._follows = follow_redirects
        self._check = SchemaCheck(app) if check_schema else None
        if isinstance(config, ServerConfig) and config.proxy_protocol:
            config = replace(config, proxy_protocol=False)

        def run(log: ClientLog) -> Lane:
            if backend is None:
                return LockstepLane(app, config, log)
            from anylane.serving import SocketLane

            return SocketLane(app, config, backend, log, patience)

        self._pool = ConnectionPool(run, raises=raise_server_exceptions)
        if backend is not None:
            # A client that is never closed must not leave a server behind.
            weakref.finalize(self, self._pool.close)

    # -- requests ------------------------------------------------------------------------------

    def get(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send a GET request; options, result and errors as of `request`."""
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send a POST request; options, result and errors as of `request`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send a PUT request; options, result and errors as of `request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send a PATCH request; options, result and errors as of `request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send a DELETE request; options, result and errors as of `request`."""
        return self.request("DELETE", url, **options)

    def head(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send a HEAD request; options, result and errors as of `request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Send an OPTIONS request; options, result and errors as of `request`."""
        return self.request("OPTIONS", url, **options)

    def request(
        self,
        method: str,
        url: str,
        *,
        follow_redirects: bool | None = None,
        **parts: Unpack[RequestParts],
    ) -> ClientResponse:
        """Send a request, wait for the whole answer, and return it as a ClientResponse.

        By keyword it takes `params`, `headers`, `cookies`, and a body as `json`, `data` with or
        without `files`, or `content` (see RequestHead and RequestBody).

        Raises Silence if no answer can come, IncompleteResponse if the server ends the connection
        instead, and UsageError for a request that cannot be sent and for more than 20 redirects.
        """
        known = RequestOptions.__annotations__
        check_keywords(f"TestClient.{method.lower()}()", parts, known, _ELSEWHERE)
        request = self._build(method, url, **parts)
        response = self._read(request)
        follows = self._follows if follow_redirects is None else follow_redirects
        history: list[ClientResponse] = []
        while follows and (following := self._redirected(response)) is not None:
            if len(history) == _MAX_REDIRECTS:
                raise UsageError(f"{method} {url} was redirected more than {len(history)} times")
            history.append(response)
            response = self._read(following)
            response.history = list(history)
        return response

    def stream(self, method: str, url: str, **parts: Unpack[RequestParts]) -> ClientResponse:
        """Send a request and return at once: `with client.stream("GET", "/ticks") as response:`.

        The answer is waited for where it is used (`status`, `iter_bytes`, `iter_lines`,
        `iter_events`). Other requests can be made meanwhile, each on a connection of its own.
        Leaving the block before the end closes the connection.
        """
        check_keywords("TestClient.stream()", parts, RequestParts.__annotations__, _ELSEWHERE)
        request = self._build(method, url, **parts)
        return self._pool.send(request, self._begin)

    def events(
        self, url: str, last_event_id: str = "", **head: Unpack[RequestHead]
    ) -> ClientEvents:
        """Return the events of a stream: `with client.events("/ticks") as events: next(events)`.

        The result is a ClientEvents. Entering raises UsageError if the answer is no event stream.
        Leaving the block disconnects.

        last_event_id: of a client that reconnects (HTML standard §9.2.4).
        """
        check_keywords("TestClient.events()", head, RequestHead.__annotations__, _ELSEWHERE)
        request = self._build("GET", url, **head)
        if "accept" not in request.headers:
            request.headers.set("accept", "text/event-stream")
        if last_event_id:
            # UTF-8 (HTML standard §9.2.4), while this client writes headers in Latin-1.
            encoded = last_event_id.encode("utf-8").decode("latin-1")
            request.headers.set("last-event-id", encoded)
        return ClientEvents(self._pool.send(request, self._begin), last_event_id)

    def websocket(
        self, url: str, subprotocols: Sequence[str] = (), **head: Unpack[RequestHead]
    ) -> ClientWebSocket:
        """Open a WebSocket (RFC 6455 §4.1): `with client.websocket("/echo") as ws:`.

        Raises Rejected, which carries the response, if the server answers with anything but 101.

        subprotocols: the ones to offer, the preferred one first.
        """
        known = ("subprotocols", *RequestHead.__annotations__)
        check_keywords("TestClient.websocket()", head, known, _ELSEWHERE)
        request = self._build("GET", url, **head)
        add_handshake(request.headers, subprotocols)
        response = self._pool.send(request, self._remember)
        try:
            return ClientWebSocket(response, response._connection, self._pool.lane, subprotocols)
        except BaseException:
            response.close()
            raise

    # -- the server ----------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass: virtual ones in memory, real ones on a real lane."""
        self._pool.lane.advance(seconds)

    @property
    def now(self) -> float:
        """The clock of `advance`, in seconds. Only differences mean something."""
        return self._pool.lane.now()

    @property
    def log(self) -> list[LogRecord]:
        """What the server has logged, in order."""
        return self._pool.log.records

    @property
    def world(self) -> World:
        """The server in memory, with its clock and its connections.

        `Lockstep(world=client.world)` adds a connection that is driven by hand. Raises UsageError
        on a real lane.
        """
        lane = self._pool.lane
        if not isinstance(lane, LockstepLane):
            raise UsageError("a world exists in memory only: leave out backend=")
        return lane.world

    def start(self) -> Self:
        """Run the startup hooks, serve, and return this. What a hook raises passes."""
        _ = self._pool.lane
        return self

    def close(self) -> None:
        """End every connection, drain, and run the shutdown hooks.

        A later request starts the server anew.
        """
        self._pool.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- how -----------------------------------------------------------------------------------

    def _build(
        self,
        method: str,
        url: str,
        *,
        headers: Initial = (),
        cookies: Mapping[str, str] | None = None,
        params: Params | None = None,
        **body: Unpack[RequestBody],
    ) -> ClientRequest:
        given = Headers(headers)
        merged = [item for item in self.headers.items() if item[0] not in given] + given.items()
        request = build_request(
            method, url, base_url=self.base_url, params=params, headers=merged, **body
        )
        return self._with_cookies(request, cookies or {})

    def _with_cookies(self, request: ClientRequest, cookies: Mapping[str, str]) -> ClientRequest:
        """Add the cookies that belong to the URL."""
        now = self._pool.lane.now()
        remembered = self.cookies.header(request.scheme, request.host, request.path, now)
        pairs = {**remembered, **cookies}
        if pairs and "cookie" not in request.headers:
            text = "; ".join(f"{name}={value}" for name, value in pairs.items())
            request.headers.set("cookie", text)
        return request

    def _read(self, request: ClientRequest) -> ClientResponse:
        response = self._pool.send(request, self._remember)
        response.read()
        if self._check is not None:
            self._check.whole(response)
        return response

    def _begin(self, response: ClientResponse) -> None:
        """Store the cookies of a stream, and check its head."""
        self._remember(response)
        if self._check is not None:
            self._check.head(response)

    def _remember(self, response: ClientResponse) -> None:
        """Store the cookies of a response."""
        request = response.request
        self.cookies.store(
            response.headers.get_all("set-cookie"),
            request.host,
            request.path,
            self._pool.lane.now(),
            response.headers.get("date") or "",
        )

    def _redirected(self, response: ClientResponse) -> ClientRequest | None:
        """Return the request that a redirect asks for (RFC 9110 §15.4), or None."""
        location = response.headers.get("location")
        if location is None or response.status not in (301, 302, 303, 307, 308):
            return None
        before = response.request
        method, body = before.method, before.body
        keeps = response.status in (307, 308) or method in ("GET", "HEAD")
        dropped = {"host", "cookie"}
        if not keeps:
            method, body = "GET", ()
            dropped |= {"content-length", "content-type", "transfer-encoding"}
        headers = [item for item in before.headers.items() if item[0].lower() not in dropped]
        url = urljoin(before.url, location)
        following = build_request(method, url, base_url=self.base_url, headers=headers)
        return self._with_cookies(replace(following, body=body), {})
