"""Request: what the client asked, decoded when it is first read.

It never changes what was sent, and never answers: a body that cannot be read raises HTTPError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from anylane import json
from anylane.errors import HTTPError, InvalidJSON, Refused, UsageError
from anylane.http.cookies import Cookies, parse_cookies
from anylane.http.forms import FormData, parse_multipart, parse_urlencoded
from anylane.http.headers import Headers, RequestHeaders
from anylane.http.multidict import Query
from anylane.http.urlencoded import unescaped
from anylane.protocol.request_head import Fields, RequestHead, Text, authority_of
from anylane.read_only import explain

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.fields import Header
    from anylane.protocol.peer import Address, ProxyInfo, TlsInfo


_NO_TEXT = Text("", "", "", "")
_NO_FIELDS = Fields(b"", [])


class Request:
    """One request, as the client sent it.

    A request that was refused before it could be parsed has the method "" and the target "".

    uploads: its form once it was read, which the framework closes; None before.
    """

    __slots__ = ("_body", "_cookies", "_exchange", "_headers", "_link", "_path", "_query",
                 "_reading", "uploads")  # fmt: skip

    def __init__(self, exchange: Exchange, link: Link) -> None:
        self._exchange = exchange
        self._link = link
        self._path: str | None = None
        self._query: Query | None = None
        self._headers: Headers | None = None
        self._cookies: Cookies | None = None
        self.uploads: FormData | None = None
        self._body: list[bytes] | bytes = []
        self._reading = False

    @property
    def method(self) -> str:
        """The method as a str, such as "GET"; "" for a request that could not be parsed."""
        head = self._exchange.head
        return "" if head is None else head.text.method

    @property
    def target(self) -> str:
        """The request target as it was sent, percent-encoded (RFC 9112 §3.2)."""
        return _text(self._exchange.head).target

    @property
    def raw_path(self) -> str:
        """The path of the target, percent-encoded. `root_path` is not in it."""
        return _text(self._exchange.head).path

    @property
    def query_string(self) -> str:
        """The part of the target behind the first `?`, percent-encoded, or ""."""
        return _text(self._exchange.head).query

    @property
    def version(self) -> str:
        """The version of HTTP: "1.1" or "1.0"."""
        head = self._exchange.head
        return "" if head is None else head.version.decode("ascii")

    @property
    def client(self) -> Address:
        """The address of the client, as the socket module gives it.

        With `ServerConfig.proxy_headers` or `proxy_protocol` and a proxy that is believed, it is
        (host, port) of the client that the proxy names, with port 0 where it names none.
        """
        connection, forwarded = self._link.driver.connection, self._link.host.forwarded
        if forwarded is None:
            return connection.peer
        return forwarded.client(connection.peer, self._exchange.head, connection.proxy)

    @property
    def server(self) -> Address:
        """The address of our end of the connection, as the socket module gives it.

        With `ServerConfig.proxy_protocol` it is the one that the client has connected to.
        """
        return self._link.driver.connection.local

    @property
    def proxy(self) -> ProxyInfo | None:
        """A `ProxyInfo`: what a proxy says of this connection by the PROXY protocol. None without
        `ServerConfig.proxy_protocol`."""
        found: ProxyInfo | None = self._link.driver.connection.proxy
        return found

    @property
    def tls(self) -> TlsInfo | None:
        """A `TlsInfo` about this connection. None without TLS, whatever a proxy in front speaks."""
        found: TlsInfo | None = self._link.driver.connection.tls
        return found

    @property
    def scheme(self) -> str:
        """The scheme: "https" with TLS, else "http".

        With `ServerConfig.proxy_headers` or `proxy_protocol` it is what a believed proxy says.
        """
        link = self._link
        connection, forwarded = link.driver.connection, link.host.forwarded
        proxy = connection.proxy
        if forwarded is not None:
            said = forwarded.scheme(connection.peer, self._exchange.head, proxy)
            if said is not None:
                return said
        if proxy is not None and proxy.tls is not None:
            return "https"
        return "http" if connection.tls is None else "https"

    @property
    def path(self) -> str:
        """The path, percent-decoded. Use `raw_path` where `%2F` must stay apart from `/`."""
        if self._path is None:
            self._path = unescaped(self.raw_path)
        return self._path

    @property
    def root_path(self) -> str:
        """The prefix that a proxy in front has taken off the path, percent-encoded, or "".

        It is `ServerConfig.root_path`; or, where that is "forwarded", what a believed proxy says.
        Under an ASGI server that has one it is the server's.
        """
        host, connection = self._link.host, self._link.driver.connection
        forwarded = host.forwarded
        if connection.hosted is not None and connection.hosted.root_path:
            return connection.hosted.root_path
        if forwarded is None or not forwarded.names_root:
            return host.root_path
        return forwarded.root_path(connection.peer, self._exchange.head, connection.proxy)

    @property
    def headers(self) -> Headers:
        """The headers, read only. Requests that repeat the same header lines share one object."""
        headers = self._headers
        if headers is None:
            head = self._exchange.head
            fields = _NO_FIELDS if head is None else head.fields
            headers = fields.shown
            if headers is None:
                headers = fields.shown = RequestHeaders(fields)
            self._headers = headers
        return headers

    @property
    def sent_headers(self) -> Headers:
        """The headers as they came, where a part has put others in their place."""
        headers, head = self.headers, self._exchange.head
        if head is not None and head.fields.shown is not None:
            headers = head.fields.shown
        return headers

    def rewrite_headers(self, lines: Iterable[Header]) -> None:
        """Have `headers` be these lines from now on. For parts that undo on requests what they do
        to answers. lines: names in lower case."""
        assert self._headers is not None, "what is rewritten was read"
        self._headers = RequestHeaders.of(lines)

    @property
    def query(self) -> Query:
        """The names and values of the query string, as a `Query`.

        Raises HTTPError 400 for more than 1,000 fields, and for more than 1,000 `%` that begin no
        escape.
        """
        if self._query is None:
            self._query = Query(self.query_string)
        return self._query

    @property
    def host(self) -> str | None:
        """The Host header as the client wrote it, name and port. It is never X-Forwarded-Host.

        Without one, which HTTP/1.0 need not send, it is the authority of an absolute target (RFC
        9112 §3.3), and None for any other target.
        """
        head = self._exchange.head
        if head is None:
            return None
        host = head.get(b"host")
        return authority_of(head.text.target) if host is None else host.decode("latin-1")

    @property
    def cookies(self) -> Cookies:
        """The cookies by name. Malformed ones are skipped (RFC 6265 §5).

        `[name]` raises MissingValue, which is an HTTPError 400 and a KeyError, for one that the
        client has not sent; `get` returns a default.
        """
        if self._cookies is None:
            self._cookies = parse_cookies(self.headers.get_all("cookie"))
        return self._cookies

    async def body(self) -> bytes:
        """Return the whole body as bytes; each call returns the same ones.

        Raises HTTPError 400 for a malformed body, 408 for one that comes too slowly and 413 for one
        over the limit of its route; UsageError if the body was read by `stream()`; Disconnected if
        the client is gone. A call that was cancelled may be repeated, and nothing is lost.
        """
        if isinstance(self._body, bytes):
            return self._body
        if self._reading:
            raise UsageError(
                "the body was read as a stream, and what was read is gone; read it whole first: "
                "body() gives the same bytes each time"
            )
        if not self._body:
            if self._exchange.interrupt is not None:
                await self._link.hear()
            self._exchange.check()
            whole = self._exchange.read_all()
            if whole is not None:
                self._body = whole
                return whole
        # The pieces are kept on the request, so that a read that was cancelled can be repeated.
        while (chunk := self._read()) is None or chunk:
            if chunk is None:
                await self._link.wait()
            else:
                self._body.append(chunk)
        self._body = b"".join(self._body)
        return self._body

    async def text(self) -> str:
        """Return the body as a str.

        Raises HTTPError 400 if it is not UTF-8, and what `body` raises.
        """
        try:
            return (await self.body()).decode("utf-8")
        except UnicodeDecodeError as exc:
            raise HTTPError(400, f"the body is not UTF-8: {exc.reason} at {exc.start}") from None

    async def json(self) -> Any:
        """Return the value of a JSON body.

        Raises HTTPError 400 if it is not JSON in UTF-8, is nested deeper than 1,024 levels or has a
        number that is no finite float (see `anylane.json.loads`), and what `body` raises. The error
        is a ValueError, too.
        """
        data = await self.body()
        try:
            return json.loads(data)
        except ValueError as exc:
            raise InvalidJSON(f"the body is not JSON: {exc}") from None

    async def form(self) -> FormData:
        """Return the fields of an urlencoded or multipart form; each call returns the same object.

        Raises HTTPError 400 for a malformed form, 413 for one over a bound, and 415 if the body is
        no form; UsageError for multipart without the `forms` extra; and what `body` raises. The
        framework closes the uploads when the request has ended.
        """
        if self.uploads is None:
            content_type = self.headers.get("content-type") or ""
            kind = content_type.partition(";")[0].strip().lower()
            if kind == "application/x-www-form-urlencoded":
                self.uploads = await parse_urlencoded(await self.text(), self._link.give_way)
            elif kind == "multipart/form-data":
                spool = self._link.host.spool
                self.uploads = await parse_multipart(
                    content_type, self.stream(), spool, self._link.give_way
                )
            else:
                raise HTTPError(415, f"expected a form, not {kind or 'a body without a type'}")
        return self.uploads

    @property
    def is_form_read(self) -> bool:
        """Whether `form` has read the body."""
        return self.uploads is not None

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece as bytes, as it comes, with backpressure.

        A body can be streamed once. A second stream raises UsageError, unless the body was read
        whole before. Raises the HTTPErrors of `body`, and Disconnected if the client is gone.
        """
        if isinstance(self._body, bytes):
            if self._body:
                yield self._body
            return
        if self._reading:
            raise UsageError(
                "the body is read as a stream already, and what was read is gone; keep the "
                "iterator to go on, or read it whole with body(), as often as you like"
            )
        self._reading = True
        while self._body:  # Pieces of a body() that was cancelled.
            yield self._body.pop(0)
        while chunk := await self._next():
            yield chunk

    def poll(self) -> bytes | None:
        """Return the next piece of the body if it is here, b"" behind the last one, and None if it
        has not come yet. It never waits: the exchange's link is notified when there is more.

        The body is read as a stream then. Raises what `stream` raises.
        """
        if isinstance(self._body, bytes):
            whole, self._body = self._body, b""
            return whole
        self._reading = True
        return self._body.pop(0) if self._body else self._read()

    @property
    def trailers(self) -> Headers:
        """The fields behind a chunked body (RFC 9110 §6.5), as `Headers`.

        They are empty until the body was read to its end.
        """
        return RequestHeaders(Fields(b"", list(self._exchange.trailers)))

    def _read(self) -> bytes | None:
        """Return the next piece, b"" behind the last one, or None if none is here yet."""
        if self._exchange.interrupt is not None:
            self._link.check()
        self._exchange.check()
        try:
            return self._exchange.read(self._link.now())
        except Refused as refused:
            raise HTTPError(refused.status, refused.reason) from refused

    async def _next(self) -> bytes:
        """Wait for the next piece, and return it; b"" behind the last one."""
        while (chunk := self._read()) is None:
            await self._link.wait()
        return chunk


def _text(head: RequestHead | None) -> Text:
    return _NO_TEXT if head is None else head.text


_SENT = "it is the client's own; what your code makes of it belongs on ctx.state"
_PROXY = "a proxy in front says it, with ServerConfig(proxy_headers=True)"

explain(
    Request,
    {
        **dict.fromkeys(
            ("method", "target", "raw_path", "query_string", "version", "path", "query",
             "sent_headers", "trailers", "is_form_read", "server", "proxy", "tls"),
            _SENT,
        ),
        **dict.fromkeys(("client", "scheme", "host"), _PROXY),
        "headers": "those of the answer are set by ctx.response.set_header(name, value)",
        "cookies": "those of the answer are set by ctx.response.set_cookie(name, value)",
        "root_path": "ServerConfig(root_path='/shop') says it, or the mount that the app is under",
    },
)  # fmt: skip
