"""Response: what will be answered, as a plain value.

Nothing here sends. A change that comes too late is a UsageError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, Unpack

from anylane import json
from anylane.errors import UsageError
from anylane.http.cookies import CookieKey, CookieOptions, CookieScope, cookie_line
from anylane.http.headers import TOO_LATE, Headers, Initial
from anylane.http.semantics.disposition import content_disposition
from anylane.http.semantics.location import uri_reference
from anylane.keywords import check_keywords
from anylane.protocol.fields import Header, check_header, check_status, check_trailer
from anylane.read_only import explain
from anylane.shown import shown

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T_co = TypeVar("T_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)


class Items(Protocol):
    """A body that is sent piece by piece, where a handler returned an iterator."""

    async def send(self, ctx: Any, /) -> None:
        """Send the whole response: its head, and each item."""

    async def close(self) -> None:
        """Close the iterator, whether it was sent or not."""


TEXT, _HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
JSON, BYTES = "application/json", "application/octet-stream"

_TYPES = {kind: (("content-type", kind),) for kind in (TEXT, _HTML, JSON, BYTES)}
"""The headers of a body by its content type. They are known to be good, and the only header of most
responses."""

_BINARY = (bytes, bytearray, memoryview)


class Response(Generic[T_co]):
    """Status, headers and body of an answer. The setters return it, so that they can be chained.

    Every change but a trailer raises UsageError once the head is on the wire.

    body: a str is sent as text/plain, bytes as application/octet-stream. A dict, list, dataclass,
        Struct, pydantic model or other value is sent as JSON. It becomes bytes when the handler
        returns the Response or assigns it to `ctx.response`, before any response hook runs: by
        the handler's annotation (`-> Response[User]` sends the fields of User and no others), and
        with the app's `json_default`. A value that does not fit is the handler's failure, a 500.
        A number is refused: it is mostly a status in the wrong place.
    status: 200 to 999. None stands for 200 with a body and 204 without one.
    headers: a mapping or pairs of str.
    content_type: replaces the one of the body.
    sent: whether the head is on the wire.
    """

    __slots__ = ("_body", "_cookies", "_headers", "_kind", "_status", "_trailers", "_value",
                 "closes", "items", "sent")  # fmt: skip

    _value: Any  # Unset where there is no value to encode: that costs other responses nothing.

    def __init__(
        self,
        body: T_co | str | bytes | bytearray | memoryview | None = None,
        status: int | None = None,
        headers: Initial = (),
        content_type: str | None = None,
    ) -> None:
        # Written out in Response.whole (tests/test_inlined_copies.py).
        self._status = None if status is None else check_status(status)
        # Most responses have only the header of their body, and need no Headers for it.
        self._headers = Headers(headers) if headers else None
        self._kind: str | None = None
        self._body: bytes | None = None
        self._cookies: dict[CookieKey, str] | None = None
        self._trailers: list[Header] | None = None
        self.items: Items | None = None
        self.closes: bool = False
        self.sent: bool = False
        if body is not None:
            if isinstance(body, str):
                self.set_text(body)
            elif isinstance(body, _BINARY):
                self.set_body(body)
            else:
                self._hold(body)
        if content_type is not None:
            self.headers.set("content-type", content_type)

    @classmethod
    def whole(cls, body: bytes, content_type: str) -> Response:
        """Return `Response(body, content_type=...)`, made without any check.

        For what the framework has encoded itself. It is a hot path, and one piece of "The plan of a
        fast answer" in docs/performance.md.
        """
        new = cls.__new__(cls)
        new._status = new._headers = new._cookies = new._trailers = new.items = None
        new._kind = content_type
        new._body = body
        new.closes = new.sent = False
        return new

    @property
    def headers(self) -> Headers:
        """The headers, as a `Headers` that may be changed until the response is sent."""
        if self._headers is None:
            kind = self._kind
            self._headers = headers = Headers() if kind is None else Headers.typed(kind)
            headers.frozen = self.sent
        return self._headers

    @property
    def trailers(self) -> list[Header]:
        """The (name, value) pairs that `set_trailer` was given, in order."""
        if self._trailers is None:
            self._trailers = []
        return self._trailers

    @property
    def status(self) -> int | None:
        """The status as an int, or None while it is not set."""
        return self._status

    @property
    def body(self) -> bytes | None:
        """The body as bytes. None while there is none, and where it is streamed.

        Raises TypeError for a value that JSON has no form for.
        """
        if self._body is None and (value := self.unencoded()) is not None:
            return json.dumps(value)
        return self._body

    def unencoded(self) -> Any:
        """Return the value that is still to be made JSON, or None."""
        return getattr(self, "_value", None) if self._body is None else None

    def encode(self) -> None:
        """Make the body of such a value. Raises TypeError if JSON has no form for it."""
        value = self.unencoded()
        if value is not None:
            self.set_json(value)

    def set_status(self, status: int) -> Self:
        """Set the status. Raises UsageError unless it is an int from 200 to 999."""
        self._touch()
        self._status = check_status(status)
        return self

    def set_header(self, name: str, value: str) -> Self:
        """Set a header, replacing every value of that name.

        Raises UsageError for a name or value that must not go on the wire (RFC 9110 §5.5).
        """
        self.headers.set(name, value)
        return self

    def add_header(self, name: str, value: str) -> Self:
        """Add a header; other values of that name stay.

        Raises UsageError for a name or value that must not go on the wire (RFC 9110 §5.5).
        """
        self.headers.add(name, value)
        return self

    def remove_header(self, name: str) -> Self:
        """Remove every value of that header; harmless if there is none."""
        self.headers.remove(name)
        return self

    def set_cookie(self, name: str, value: str, **options: Unpack[CookieOptions]) -> Self:
        """Add a Set-Cookie header (RFC 6265 §4.1).

        A cookie of the same name, domain and path that was set before is replaced. What a cookie
        cannot hold is percent-encoded in UTF-8, the percent sign too; `request.cookies` and
        JavaScript's `decodeURIComponent` give it back. Raises UsageError for a name, value or
        attribute with which a browser would drop the cookie (RFC 6265bis): over 4,096 octets,
        `__Host-` and `__Secure-` without what they promise.

        options: `max_age` in seconds, `expires`, `path`, `domain`, `secure`, `httponly`, `samesite`
            and `partitioned` (see `CookieOptions`).
        """
        self._touch()
        try:
            line = cookie_line(name, value, **options)
        except TypeError:
            check_keywords("set_cookie()", options, CookieOptions.__annotations__)
            raise
        if self._cookies is None:
            self._cookies = {}
        key = (name, options.get("domain"), options.get("path", "/"))
        before = self._cookies.get(key)
        if before is not None:
            self.headers.discard("set-cookie", before)
        self.headers.add("set-cookie", line)
        self._cookies[key] = line
        return self

    def delete_cookie(self, name: str, **scope: Unpack[CookieScope]) -> Self:
        """Have the client forget a cookie.

        Path and domain must be those that it was set with. Raises UsageError as `set_cookie` does.
        """
        check_keywords("delete_cookie()", scope, CookieScope.__annotations__)
        expired = "Thu, 01 Jan 1970 00:00:00 GMT"
        return self.set_cookie(name, "", max_age=0, expires=expired, **scope)

    def set_body(self, body: bytes | bytearray | memoryview, content_type: str = BYTES) -> Self:
        """Set the body. *content_type* becomes its type only if no type is set.

        Raises UsageError for a body that is not bytes, bytearray or memoryview. A body that was to
        be streamed is dropped.
        """
        if self.sent:
            raise UsageError(TOO_LATE)
        self._body = body if isinstance(body, bytes) else _bytes_of(body)
        self.items = None
        if content_type not in _TYPES:
            check_header("content-type", content_type)
        if self._headers is not None:
            self._headers.default("content-type", content_type)
        elif self._kind is None:
            self._kind = content_type
        return self

    def set_text(self, text: str) -> Self:
        """Set a body of plain text in UTF-8. Raises UsageError if *text* is no str."""
        # Written out in put_routed (tests/test_inlined_copies.py).
        return self.set_body(_encoded(text), TEXT)

    def set_html(self, html: str) -> Self:
        """Set a body of HTML in UTF-8. Raises UsageError if *html* is no str."""
        return self.set_body(_encoded(html), _HTML)

    def set_json(self, value: Any) -> Self:
        """Set a JSON body. Raises TypeError for a value that JSON has no form for."""
        # Written out in put_routed (tests/test_inlined_copies.py).
        return self.set_body(json.dumps(value), JSON)

    def redirect(self, location: str, status: int = 303) -> Self:
        """Set Location and the status of a redirect (RFC 9110 §15.4).

        The default, 303, has the client GET the location; 307 and 308 keep method and body. What
        RFC 3986 does not allow in *location* is percent-encoded; escapes stay as they are. Raises
        UsageError for a status that is not from 300 to 399, and for a location that is no text.
        """
        if check_status(status) // 100 != 3:
            raise UsageError(f"a redirect's status is {status}; expected 300 to 399, such as 303")
        try:
            self.set_header("location", uri_reference(location))
        except (TypeError, UnicodeEncodeError):
            raise UsageError(f"the location is {shown(location)}; expected text") from None
        return self.set_status(status)

    def attachment(self, name: str | None = None, *, inline: bool = False) -> Self:
        """Have the client save the body as a file of that name (Content-Disposition, RFC 6266).

        Of a path only the last part counts, and what is dangerous in a name becomes "_", so it may
        be a stranger's. Beyond ASCII it is sent by RFC 8187, beside one in ASCII. Without a name
        the client chooses. inline: show the body, and use the name where it is saved. Raises
        UsageError for a name that is no str.
        """
        kind = "inline" if inline else "attachment"
        return self.set_header("content-disposition", content_disposition(kind, name))

    def set_trailer(self, name: str, value: str) -> Self:
        """Add a field that is sent behind a streamed body (RFC 9110 §6.5).

        Only HTTP/1.1 clients get it. It may be set while the body is being streamed. Raises
        UsageError for a name or value that must not go on the wire, and for a field that only a
        header may be (§6.5.1).
        """
        check_trailer(name, value)
        self.trailers.append((name, value))
        return self

    def close_connection(self) -> Self:
        """Close the connection after this response."""
        self._touch()
        self.closes = True
        return self

    def head(self) -> tuple[int, Sequence[Header]]:
        """Return status and headers for the wire. The caller must not change them."""
        status, headers, _ = self.wire()
        return status, headers

    def wire(self) -> tuple[int, Sequence[Header], bytes]:
        """Return status, headers and body for the wire. The caller must not change them."""
        headers: Sequence[Header]
        if self._headers is None:
            kind = self._kind
            headers = () if kind is None else _TYPES.get(kind) or (("content-type", kind),)
        else:
            headers = self._headers.lines
        if self.closes:
            headers = [*headers, ("connection", "close")]
        status, body = self._status, self._body
        if body is None:
            if not hasattr(self, "_value"):
                return status or 204, headers, b""
            body = self.body or b""
        return status or 200, headers, body

    def complete(self) -> bool:
        """Set the status that it goes out with, and return whether that was needed."""
        if self._status is not None:
            return False
        nothing = self._body is None and self.items is None and self.unencoded() is None
        self._status = 204 if nothing else 200
        return True

    def freeze(self) -> None:
        """Refuse every further change but a trailer: the head is on the wire."""
        self.sent = True
        if self._headers is not None:
            self._headers.frozen = True

    def succeed(self, other: Response) -> Response:
        """Return a copy that may be sent, with the status, headers and cookies of *other* that this
        one does not set itself. A value that is not encoded yet stays that.

        A copy, because a handler may return the same Response again and again.
        """
        new = Response()
        new._status = other._status if self._status is None else self._status
        new._body = self._body
        if (value := self.unencoded()) is not None:
            new._value = value
        new.items = self.items
        new.closes = self.closes or other.closes
        trailers = [*(other._trailers or ()), *(self._trailers or ())]
        new._trailers = trailers or None
        own = self._cookies or {}
        replaced = {line for key, line in (other._cookies or {}).items() if key in own}
        mine = {name.lower() for name in self.headers} - {"set-cookie"}
        for name, value in other.headers.items():
            if name.lower() not in mine and value not in replaced:
                new.headers.add(name, value)
        for name, value in self.headers.items():
            new.headers.add(name, value)
        if own or other._cookies:
            new._cookies = {**(other._cookies or {}), **own}
        return new

    def _hold(self, value: Any) -> None:
        """Keep a value that is encoded later."""
        if isinstance(value, int | float):
            raise UsageError(
                f"the body is {value!r}; expected text, bytes or what becomes JSON. A status is "
                "written Response(status=...), and set_json() takes a number"
            )
        self._value = value
        self.headers.default("content-type", JSON)

    def _touch(self) -> None:
        """Raise UsageError if the head is on the wire."""
        if self.sent:
            raise UsageError(TOO_LATE)


def _encoded(text: str) -> bytes:
    if not isinstance(text, str):
        raise UsageError(f"the text is {shown(text)}; expected a str. set_json() takes any value")
    return text.encode("utf-8")


def _bytes_of(body: object) -> bytes:
    # Not just `bytes(body)`, which makes five zeros of 5.
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    raise UsageError(
        f"the body is {shown(body)}; expected bytes. set_text() takes a str, set_json() what JSON "
        "can say"
    )


explain(
    Response,
    {
        "status": "call ctx.response.set_status(404), or return Response(..., status=404)",
        "body": "call ctx.response.set_text, set_json, set_html or set_body, or return the body",
        "headers": "call ctx.response.set_header(name, value), or add_header for one more line",
        "trailers": "call ctx.response.set_trailer(name, value)",
    },
)
