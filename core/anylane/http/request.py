"""Request: what the client asked, decoded when it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from anylane import json
from anylane.errors import HTTPError, Refused, UsageError
from anylane.http.cookies import parse_cookies
from anylane.http.forms import Form, parse_multipart, parse_urlencoded
from anylane.http.headers import Headers, RequestHeaders
from anylane.http.multidict import Query
from anylane.protocol.request_head import Fields, RequestHead, Text

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange
    from anylane.protocol.peer import Address, TlsInfo


_NO_TEXT = Text("", "", "", "")


_NO_FIELDS = Fields(b"", [])


class Request:
    """One request, as the client sent it.

    uploads: its form, once it was read; to be closed.

    A request that was refused before it could be parsed has the method "" and the target "".
    """

    __slots__ = ("_body", "_cookies", "_exchange", "_headers", "_link", "_path", "_query",
                 "_reading", "uploads")  # fmt: skip

    def __init__(self, exchange: Exchange, link: Link) -> None:
        self._exchange = exchange
        self._link = link
        self._path: str | None = None
        self._query: Query | None = None
        self._headers: Headers | None = None
        self._cookies: dict[str, str] | None = None
        self.uploads: Form | None = None
        self._body: list[bytes] | bytes = []
        self._reading = False

    @property
    def method(self) -> str:
        return _text(self._exchange.head).method

    @property
    def target(self) -> str:
        """As it was sent, percent-encoded."""
        return _text(self._exchange.head).target

    @property
    def raw_path(self) -> str:
        """The path of the target, percent-encoded."""
        return _text(self._exchange.head).path

    @property
    def query_string(self) -> str:
        """Behind the first `?` of the target, percent-encoded."""
        return _text(self._exchange.head).query

    @property
    def version(self) -> str:
        """ "1.1" or "1.0"."""
        head = self._exchange.head
        return "" if head is None else head.version.decode("ascii")

    @property
    def client(self) -> Address:
        """The other end of the connection, as the socket module gives it.

        With `ServerConfig.proxy_headers` and a proxy that is believed: (host, port) of the client
        that it asks for; port 0 where it names none.
        """
        link = self._link
        peer, forwarded = link.driver.connection.peer, link.host.forwarded
        return peer if forwarded is None else forwarded.client(peer, self._exchange.head)

    @property
    def server(self) -> Address:
        """Our end of it."""
        return self._link.driver.connection.local

    @property
    def tls(self) -> TlsInfo | None:
        """Of this connection; None without TLS, whatever a proxy in front speaks."""
        found: TlsInfo | None = self._link.driver.connection.tls
        return found

    @property
    def scheme(self) -> str:
        """ "https" with TLS, else "http"; with `proxy_headers`, what a believed proxy says."""
        link = self._link
        connection, forwarded = link.driver.connection, link.host.forwarded
        if forwarded is not None:
            said = forwarded.scheme(connection.peer, self._exchange.head)
            if said is not None:
                return said
        return "http" if connection.tls is None else "https"

    @property
    def path(self) -> str:
        """Percent-decoded; use `raw_path` where `%2F` must stay apart from `/`."""
        if self._path is None:
            self._path = unquote(self.raw_path)
        return self._path

    @property
    def headers(self) -> Headers:
        """To be read only. Requests that repeat them share one object."""
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
    def query(self) -> Query:
        if self._query is None:
            self._query = Query(self.query_string)
        return self._query

    @property
    def host(self) -> str | None:
        """The Host header: name and port as the client wrote them; never X-Forwarded-Host."""
        head = self._exchange.head
        host = head.get(b"host") if head is not None else None
        return None if host is None else host.decode("latin-1")

    @property
    def cookies(self) -> dict[str, str]:
        """Read leniently: what is malformed is skipped."""
        if self._cookies is None:
            self._cookies = parse_cookies(self.headers.get_all("cookie"))
        return self._cookies

    async def body(self) -> bytes:
        """The whole body; the same bytes each time. Raises HTTPError 400, 408 or 413."""
        if isinstance(self._body, bytes):
            return self._body
        if self._reading:
            raise UsageError(
                "the body was read as a stream, and what was read is gone; read it whole first: "
                "body() gives the same bytes each time"
            )
        if not self._body:
            self._exchange.check()
            whole = self._exchange.read_all()
            if whole is not None:
                self._body = whole
                return whole
        # Collected on the request, so that a read that was cancelled half-way can be repeated.
        while (chunk := self._read()) is None or chunk:
            if chunk is None:
                await self._link.wait()
            else:
                self._body.append(chunk)
        self._body = b"".join(self._body)
        return self._body

    async def text(self) -> str:
        """The body as UTF-8; HTTPError 400 if it is not."""
        try:
            return (await self.body()).decode("utf-8")
        except UnicodeDecodeError as exc:
            raise HTTPError(400, f"the body is not UTF-8: {exc.reason} at {exc.start}") from None

    async def json(self) -> Any:
        """The body as JSON; HTTPError 400 if it is not."""
        data = await self.body()
        try:
            return json.loads(data)
        except ValueError as exc:
            raise HTTPError(400, f"the body is not JSON: {exc}") from None

    async def form(self) -> Form:
        """The fields of an urlencoded or multipart form; the same object each time.

        Raises HTTPError 400 or 413 for a bad one and 415 where the body is no form; UsageError
        for multipart without the `forms` extra.
        """
        if self.uploads is None:
            content_type = self.headers.get("content-type") or ""
            kind = content_type.partition(";")[0].strip().lower()
            if kind == "application/x-www-form-urlencoded":
                self.uploads = parse_urlencoded(await self.text())
            elif kind == "multipart/form-data":
                spool = self._link.host.spool
                self.uploads = await parse_multipart(content_type, self.stream(), spool)
            else:
                raise HTTPError(415, f"expected a form, not {kind or 'a body without a type'}")
        return self.uploads

    async def stream(self) -> AsyncIterator[bytes]:
        """The body piece by piece, as it comes, with backpressure. Once: a second stream is a
        UsageError, but for a body that was read whole before."""
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
        while self._body:  # Of a body() that was cancelled.
            yield self._body.pop(0)
        while chunk := await self._next():
            yield chunk

    @property
    def trailers(self) -> Headers:
        """Behind a chunked body; empty until it was read to its end (RFC 9110 §6.5)."""
        return Headers.from_wire(self._exchange.trailers)

    def _read(self) -> bytes | None:
        """The next piece, b"" behind the last one, None if none is here yet."""
        self._exchange.check()
        try:
            return self._exchange.read(self._link.now())
        except Refused as refused:
            raise HTTPError(refused.status, refused.reason) from refused

    async def _next(self) -> bytes:
        while (chunk := self._read()) is None:
            await self._link.wait()
        return chunk


def _text(head: RequestHead | None) -> Text:
    return _NO_TEXT if head is None else head.text
