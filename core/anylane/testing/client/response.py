"""ClientResponse: the answer to one request of a test client, read at once or piece by piece.

It reads nothing before it is asked to.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, get_origin, overload

from anylane import json
from anylane.errors import AnylaneError, InvalidJSON
from anylane.http.headers import Headers
from anylane.http.values.faults import Fault
from anylane.shown import shown
from anylane.testing.client.connection import ClientConnection, Head
from anylane.testing.client.event_parser import LineSplitter, ServerSentEvent
from anylane.testing.client.events import ClientEvents
from anylane.testing.client.request import ClientRequest
from anylane.typed.models import model_of

T = TypeVar("T")

_MAX_SHOWN = 200
"""Characters of a body in a message."""


class ClientResponse:
    """The answer to one request.

    The head is waited for when it is first asked for, the body when it is first read. Both raise
    Silence if nothing can ever come, IncompleteResponse if the server ends the connection first,
    and with `raise_server_exceptions` what the handler raised.

    request: the request that it answers.
    history: the redirects that led here.
    """

    def __init__(
        self,
        request: ClientRequest,
        connection: ClientConnection,
        failure: Callable[[], BaseException | None],
        *,
        on_head: Callable[[ClientResponse], None],
        on_end: Callable[[], None],
        raises: bool,
    ) -> None:
        self.request = request
        self.history: list[ClientResponse] = []
        self._connection = connection
        self._failure = failure
        self._on_head = on_head
        self._on_end = on_end
        self._raises = raises
        self._head: Head | None = None
        self._headers = Headers()
        self._trailers = Headers()
        self._content: bytes | None = None
        self._error: BaseException | None = None
        self._ended = False

    # -- the head ------------------------------------------------------------------------------

    @property
    def status(self) -> int:
        """The status, an int."""
        return self._get_head().status_code

    @property
    def status_code(self) -> int:
        """The status, by the name that httpx and requests give it."""
        return self.status

    @property
    def reason(self) -> str:
        """The reason phrase, such as "OK"; it may be empty."""
        return bytes(self._get_head().reason).decode("latin-1")

    @property
    def http_version(self) -> str:
        """ "HTTP/1.1"."""
        return f"HTTP/{bytes(self._get_head().http_version).decode('ascii')}"

    @property
    def headers(self) -> Headers:
        """The header fields, a `Headers`."""
        self._get_head()
        return self._headers

    @property
    def informational(self) -> list[tuple[int, Headers]]:
        """Status and headers of the 1xx responses before this one (103, Early Hints)."""
        self._get_head()
        return list(self._connection.informational)

    @property
    def url(self) -> str:
        """The absolute URL of the request."""
        return self.request.url

    @property
    def error(self) -> BaseException | None:
        """What the handler raised and no exception handler took, so far; None if nothing."""
        return self._error if self._ended else self._failure()

    def raise_for_status(self) -> Self:
        """Return this, or raise StatusError for 4xx and 5xx, from what the handler raised."""
        if self.status >= 400:
            self.read()
            raise StatusError(self) from self.error
        return self

    # -- the body ------------------------------------------------------------------------------

    @property
    def content(self) -> bytes:
        """The whole body as bytes. Waits for its end."""
        return self.read()

    @property
    def text(self) -> str:
        """The whole body as a str, decoded by the charset of its content type, else UTF-8.

        Waits for its end. Malformed bytes are replaced.
        """
        return self.content.decode(self._charset(), "replace")

    @overload
    def json(self) -> Any: ...

    @overload
    def json(self, kind: type[T]) -> T: ...

    @overload
    def json(self, kind: object) -> Any: ...

    def json(self, kind: object = None) -> Any:
        """Return the whole body decoded as JSON. Raises ValueError if it is not JSON.

        kind: the type that it has to be, such as `User` or `list[User]`, which is returned then:
        what a typed handler takes as a body. Raise AssertionError that names each fault for any
        other body, and UsageError for a type that has no form in JSON or needs a missing library.
        """
        if kind is None:
            return json.loads(self.content)
        return self._typed(kind)

    def _typed(self, kind: object) -> Any:
        is_class = isinstance(kind, type) and get_origin(kind) is None
        name = kind.__name__ if is_class else str(kind)  # type: ignore[attr-defined]
        model = model_of(kind, f"response.json({name})")
        faults: list[Fault] = []
        try:
            value = model.from_json(self.content, faults)
        except InvalidJSON as exc:
            faults.append(Fault("body", "", "JSON", shown(exc)))
            value = None
        if faults:
            told = "".join(
                f"\n  {each.field or 'the body'}: expected {each.expected}, "
                + ("which is missing" if each.seen is None else f"saw {each.seen}")
                for each in faults
            )
            request = self.request
            raise AssertionError(
                f"{request.method} {request.target} was answered with {self.status} and no {name}:"
                f"{told}\n  in {self.text[:_MAX_SHOWN]}"
            ) from self.error
        return value

    @property
    def trailers(self) -> Headers:
        """The fields behind a chunked body. Waits for its end."""
        self.read()
        return self._trailers

    def read(self) -> bytes:
        """Wait for the end of the body, and return all of it that was not iterated over."""
        if self._content is None:
            self._content = b"".join(self.iter_bytes())
        return self._content

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the body as it comes. Breaking off loses nothing: iterate again to go on."""
        if self._content is not None:
            if self._content:
                yield self._content
            return
        self._get_head()
        while piece := self._piece(wait=True):
            yield piece

    def arrived(self) -> bytes:
        """Return what of the body has come by now and was not read, without waiting for more."""
        self._get_head()
        pieces: list[bytes] = []
        while piece := self._piece(wait=False):
            pieces.append(piece)
        return b"".join(pieces)

    def _piece(self, *, wait: bool) -> bytes | None:
        """Return the next piece of the body, b"" at its end, None if it has not come."""
        if self._ended:
            return b""
        try:
            piece = self._connection.piece(wait=wait)
        except BaseException as exc:
            self._end()
            self._raise_failure(exc)
            raise
        if piece == b"":
            self._trailers = self._connection.trailers
            self._end()
            self._raise_failure()
        return piece

    def iter_text(self) -> Iterator[str]:
        """Yield the body as text, as it comes. No character is cut."""
        decoder = codecs.getincrementaldecoder(self._charset())("replace")
        for piece in self.iter_bytes():
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def iter_lines(self) -> Iterator[str]:
        """Yield the lines of the body without their ends, as they come."""
        splitter = LineSplitter()
        for text in self.iter_text():
            yield from splitter.feed(text)
        yield from splitter.flush()

    def iter_events(self) -> Iterator[ServerSentEvent]:
        """Return an iterator over server-sent events, as they come.

        `TestClient.events` also checks that it is an event stream.
        """
        return ClientEvents(self)

    # -- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """End the exchange. If the body was not read to its end, the connection is reset."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if exc is None:
            self._raise_failure()

    def __repr__(self) -> str:
        state = "not asked for yet" if self._head is None else str(self._head.status_code)
        why = "" if self.error is None else f": {shown(self.error)}"
        return f"<ClientResponse {state} to {self.request.method} {self.request.url}{why}>"

    def _get_head(self) -> Head:
        """Wait for the head, and return it."""
        if self._head is None:
            try:
                self._head = self._connection.head()
            except BaseException as exc:
                self._end()
                self._raise_failure(exc)
                raise
            self._headers = Headers.from_wire(self._head.headers)
            self._on_head(self)
        return self._head

    def _end(self) -> None:
        """Give the connection back."""
        if not self._ended:
            self._error = self._failure()
            self._ended = True
            self._on_end()

    def _raise_failure(self, exc: BaseException | None = None) -> None:
        """Raise what the handler raised, if the client was told to; else *exc*, if there is one,
        from that."""
        error = self.error
        if self._raises and error is not None:
            raise error
        if exc is not None and error is not None:
            raise exc from error

    def _charset(self) -> str:
        """Return the codec for the text of the body."""
        found = re.search(
            r"charset=\"?([\w.:-]+)", self.headers.get("content-type", "") or "", re.IGNORECASE
        )
        try:
            return codecs.lookup(found[1]).name if found else "utf-8"
        except LookupError:
            return "utf-8"


class StatusError(AnylaneError):
    """The answer is a 4xx or 5xx (`raise_for_status`).

    response: the answer, read to its end.
    """

    def __init__(self, response: ClientResponse) -> None:
        request = response.request
        super().__init__(
            f"{request.method} {request.target} was answered with {response.status} "
            f"{response.reason}: {response.text[:200]}"
        )
        self.response = response


class Rejected(StatusError):
    """The server answered a WebSocket handshake with `response`, which is no 101."""
