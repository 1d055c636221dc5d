"""Forms: urlencoded, and multipart by the `multipart` package.

An upload is held in memory up to a bound, and then in a temporary file that the server supplies.
The core itself opens no file.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_to_bytes

from anylane.errors import HTTPError, WrongField
from anylane.extras import load
from anylane.http.headers import Headers, RequestHeaders
from anylane.http.multidict import MultiDict
from anylane.http.parameters import split_parameters
from anylane.http.urlencoded import MAX_FIELDS, SLICE, EncodedFields
from anylane.http.values.faults import Fault, Invalid
from anylane.http.values.reading import TypedReading
from anylane.lane.host import Spool

MAX_IN_MEMORY = 256 * 1024
"""Bytes of an upload that are held in memory. A larger one goes to the spool. As in most
frameworks, the usual file of a form fits."""

MAX_FIELD_SIZE = 1024 * 1024
"""Bytes of a field that is no file. A larger one gets 413."""

MAX_HEADERS = 256 * 1024
"""Bytes of the headers of all parts of a form together. More get 413. A thousand usual parts take
150 KB; headers cost as much to read as ten times their length of a body."""

_CHARSETS = {
    name: charset
    for charset, names in {
        "utf-8": "utf-8 utf8 unicode-1-1-utf-8 u8",
        "us-ascii": "us-ascii ascii ansi-x3.4-1968 iso646-us 646",
        "iso-8859-1": "iso-8859-1 iso8859-1 latin-1 latin1 l1",
        "iso-8859-15": "iso-8859-15 iso8859-15 latin-9 latin9 l9",
        "windows-1252": "windows-1252 cp1252 cp-1252 x-cp1252",
    }.items()
    for name in names.split()
}
"""Encodings of fields that are no files, by the names that are in use for them (with "-" for "_");
any other gets 400. Not every codec that Python has: punycode takes the square of its length, a
minute for a megabyte, and each unknown name stays in memory for ever. RFC 7578 §5.1.2 asks clients
to send UTF-8, and browsers do."""

_MAX_BOUNDARY = 200
"""Characters of a boundary. RFC 2046 §5.1.1 allows 70."""

_EXTENDED = re.compile(r"([^']*)'[^']*'(.*)", re.DOTALL)
"""A value with its encoding and its language in front of it (RFC 8187 §3.2.1)."""


class Upload:
    """One file of a form. It is closed when its request and the background work of it have ended.

    It is false where a browser's file input was left empty: without a name and without a byte.

    filename: as the client calls it; never to be used as a path.
    content_type: as the client says.
    size: bytes.
    file: a binary file, open, at its beginning.
    headers: the headers of this part, read only.
    """

    __slots__ = ("_spool", "content_type", "file", "filename", "headers", "size")

    def __init__(self, filename: str, content_type: str, headers: Headers, spool: Spool) -> None:
        self.filename: str = filename
        self.content_type: str = content_type
        self.headers: Headers = headers
        self.size: int = 0
        self.file: IO[bytes] = BytesIO()
        self._spool: Spool | None = spool

    def write(self, data: bytes) -> None:
        """Append *data*. Over `MAX_IN_MEMORY` bytes the upload moves to a temporary file."""
        self.size += len(data)
        if self._spool is not None and self.size > MAX_IN_MEMORY:
            memory, self.file = self.file, self._spool()
            self._spool = None
            memory.seek(0)
            self.file.write(memory.read())
        self.file.write(data)

    def read(self) -> bytes:
        """Return all of it as bytes, from its beginning. Raises ValueError once it is closed."""
        self.file.seek(0)
        return self.file.read()

    def close(self) -> None:
        """Close the file, and delete it if it is a temporary one. Closing twice is harmless."""
        self.file.close()

    def __bool__(self) -> bool:
        return bool(self.filename or self.size)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            """Raise WrongField for what a text has: the handler expected one."""
            if not name.startswith("_") and hasattr(str, name):
                raise WrongField("the form has a file where text was expected")
            raise AttributeError(f"'Upload' object has no attribute {name!r}", name=name, obj=self)

    def __repr__(self) -> str:
        return f"Upload({self.filename!r}, {self.content_type!r}, {self.size} bytes)"


class TextField(str):
    """The text of a form's field. To use it as an `Upload` raises WrongField, which is an HTTPError
    400 and an AttributeError: the client has sent text where the handler expected a file."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if not name.startswith("_") and hasattr(Upload, name):
                raise WrongField("the form has text where a file was expected")
            raise AttributeError(f"'str' object has no attribute {name!r}", name=name, obj=self)


class FormData(MultiDict["str | Upload"], TypedReading):
    """The fields of a form, in order. A value is a str, or an `Upload` for a file.

    A str that is used as an `Upload`, and an `Upload` that is used as a str, raises an HTTPError
    400: a client may send either under any name.

    `form[name]` and `form.get(name)` return the first value of a name, `get_all` every one.
    """

    __slots__ = ()

    what = "form field"
    location = "form"

    def __init__(self, items: Iterable[tuple[str, str | Upload]] = ()) -> None:
        super().__init__(
            (name, TextField(value) if isinstance(value, str) else value) for name, value in items
        )

    def file(self, name: str) -> Upload:
        """Return the first file of that name. Raise Invalid, an HTTPError 422, where there is none,
        and for an empty file input, which browsers send without a name."""
        for value in self.get_all(name):
            if isinstance(value, Upload) and value:
                return value
        seen = "a text" if isinstance(self.get(name), str) else None
        raise Invalid([Fault("form", name, "a file", seen)])

    def close(self) -> None:
        """Close every upload."""
        for _, value in self._items:
            if isinstance(value, Upload):
                value.close()


GiveWay = Callable[[], Awaitable[None]]
"""Lets others have their turn."""


async def parse_urlencoded(text: str, give_way: GiveWay) -> FormData:
    """Return the fields of an urlencoded form.

    Raises HTTPError 413 for more than `MAX_FIELDS` fields, and 400 for more than `MAX_STRAY` stray
    percent signs.
    """
    return FormData(await EncodedFields(text, "form", 413).decoded_in_turns(give_way))


async def parse_multipart(
    content_type: str, chunks: AsyncIterator[bytes], spool: Spool, give_way: GiveWay
) -> FormData:
    """Return the fields of a multipart form (RFC 7578), read from *chunks*.

    Raises HTTPError 400 for a malformed form, 413 for a form over a bound, and UsageError if the
    parser is not installed. Every upload that was begun is closed then.
    """
    library = multipart_library("request.form(), for multipart/form-data,")
    boundary = split_parameters(content_type)[1].get("boundary", "")
    if not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise HTTPError(400, "multipart/form-data without a boundary, or with one that is too long")
    parts = _Parts(library, spool)
    try:
        # Not strict: that would refuse what may follow the last boundary (RFC 2046 §5.1.1), but
        # only when the network happens to cut there.
        parser = library.PushMultipartParser(
            boundary.encode("latin-1"), max_segment_count=MAX_FIELDS
        )
        done = 0
        async for chunk in chunks:
            for start in range(0, len(chunk), SLICE):
                piece = chunk[start : start + SLICE]
                if done and done + len(piece) > SLICE:
                    done = 0
                    await give_way()
                done += len(piece)
                if not parser.closed:
                    for event in parser.parse(piece):
                        parts.take(event)
        parser.close()
    except library.ParserLimitReached as exc:
        parts.form().close()
        raise HTTPError(413, f"the form is too large: {exc}") from None
    except library.MultipartError as exc:
        parts.form().close()
        raise HTTPError(400, f"the form is not multipart/form-data: {exc}") from None
    except BaseException:
        parts.form().close()
        raise
    return parts.form()


class _Parts:
    """Makes the fields of a form from a parser's events: a segment, its pieces, None at its end."""

    def __init__(self, library: Any, spool: Spool) -> None:
        self._library = library
        self._spool = spool
        self._items: list[tuple[str, str | Upload]] = []
        self._name = ""
        self._charset = "utf-8"
        self._text: bytearray | None = None
        self._upload: Upload | None = None
        self._headers = 0

    def take(self, event: Any) -> None:
        """Take the parser's next event. Raises HTTPError 400 or 413."""
        if event is None:
            self._end()
        elif isinstance(event, self._library.MultipartSegment):
            self._begin(event)
        elif self._upload is not None:
            self._upload.write(event)
        elif self._text is not None:
            self._text.extend(event)
            if len(self._text) > MAX_FIELD_SIZE:
                raise HTTPError(413, f"the field {self._name!r} is over {MAX_FIELD_SIZE} bytes")

    def form(self) -> FormData:
        """Return the fields that are complete, and every upload that was begun."""
        return FormData(self._items)

    def _begin(self, segment: Any) -> None:
        self._name = segment.name or ""
        self._headers += sum(len(name) + len(value) for name, value in segment.headerlist)
        if self._headers > MAX_HEADERS:
            raise HTTPError(413, f"the form's parts have over {MAX_HEADERS} bytes of headers")
        filename = segment.filename
        if filename is None:
            filename = _extended_filename(segment.header("Content-Disposition") or "")
        if filename is not None:
            kind = segment.content_type or "application/octet-stream"
            headers = RequestHeaders.of((name.lower(), value) for name, value in segment.headerlist)
            self._upload = Upload(filename, kind, headers, self._spool)
            # Listed before it is complete, so that it is closed however this ends.
            self._items.append((self._name, self._upload))
        else:
            self._text = bytearray()
            named = segment.charset or "utf-8"
            charset = _CHARSETS.get(named.lower().replace("_", "-"))
            if charset is None:
                raise HTTPError(
                    400, f"the field {self._name!r} is in {named!r:.40}; expected utf-8"
                )
            self._charset = charset

    def _end(self) -> None:
        if self._upload is not None:
            self._upload.file.seek(0)
            self._upload = None
        elif self._text is not None:
            try:
                text = self._text.decode(self._charset)
            except UnicodeDecodeError:
                raise HTTPError(400, f"the field {self._name!r} is not {self._charset}") from None
            self._items.append((self._name, text))
            self._text = None


def _extended_filename(disposition: str) -> str | None:
    """Return `filename*` of a Content-Disposition (RFC 8187); None if there is none.

    RFC 7578 §4.2 forbids clients to send it, and some do. A part that has one is a file.
    """
    value = split_parameters(disposition)[1].get("filename*")
    if value is None:
        return None
    found = _EXTENDED.fullmatch(value)
    if found is None:
        return value
    charset = _CHARSETS.get(found[1].lower(), "utf-8")
    return unquote_to_bytes(found[2]).decode(charset, "replace")


def multipart_library(needed_by: str) -> Any:
    """Return the `multipart` package. Raise UsageError if it is not installed. needed_by: what
    cannot work without it, for the message."""
    # python-multipart once had the same import name, and other contents.
    return load("multipart", extra="forms", needed_by=needed_by, marker="PushMultipartParser")
