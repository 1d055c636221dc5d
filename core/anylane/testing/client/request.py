"""What a test client sends: method, target, headers and body, from what a test says.

Nothing here sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, cast
from urllib.parse import quote, urlencode, urljoin, urlsplit

from anylane import json as anylane_json
from anylane.errors import UsageError
from anylane.http.headers import Headers, Initial

Params = Mapping[str, Any] | Iterable[tuple[str, Any]]
"""Names and values. A value may be a list."""

Content = bytes | str | Iterable[bytes]
"""A body as it goes on the wire."""

File = bytes | str | tuple[str, bytes | str] | tuple[str, bytes | str, str]
"""Content; or file name and content; or file name, content and content type."""


class RequestHead(TypedDict, total=False):
    """What every request of a test client takes by keyword."""

    params: Params | None
    """Added to the query."""
    headers: Initial
    """Replace the client's own headers of the same names."""
    cookies: Mapping[str, str] | None
    """For this request, beside the remembered ones."""


class RequestBody(TypedDict, total=False):
    """The body of a request, by keyword: json=, content=, or data= with files=."""

    json: Any
    """Any JSON value."""
    data: Params | None
    """The fields of a form. urlencoded, or multipart with `files`."""
    files: Mapping[str, File] | None
    """Name -> content, or (file name, content), or (file name, content, content type)."""
    content: Content | None
    """bytes, str, or an iterable of bytes, which is sent chunked."""


class RequestParts(RequestHead, RequestBody, total=False):
    """What head and body take by keyword."""


class RequestOptions(RequestParts, total=False):
    """What a request takes by keyword whose whole answer is waited for."""

    follow_redirects: bool | None
    """Whether redirects are followed. None: as the client was told."""


_BOUNDARY = "anylane-boundary-7MA4YWxkTrZu0gW"
_SAFE = "/:?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """One request, as it goes on the wire.

    url: the absolute URL.
    target: the request target.
    headers: all of them, Host included.
    body: its pieces.
    """

    method: str
    url: str
    target: str
    headers: Headers
    body: Iterable[bytes] = ()

    @property
    def scheme(self) -> str:
        """The scheme of the URL."""
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        """The host name of the URL, in lower case, without a port."""
        return (urlsplit(self.url).hostname or "").lower()

    @property
    def path(self) -> str:
        """The path of the URL, percent-encoded."""
        return urlsplit(self.url).path or "/"


def build_request(
    method: str,
    url: str,
    *,
    base_url: str,
    params: Params | None = None,
    headers: Initial = (),
    json: Any = None,
    data: Params | None = None,
    files: Mapping[str, File] | None = None,
    content: Content | None = None,
) -> ClientRequest:
    """Return a request for *url*, relative to *base_url*.

    Raises UsageError for more than one of json, content, and data with files, and for a URL without
    a host.
    """
    if sum(each is not None for each in (json, content, data if data is not None else files)) > 1:
        raise UsageError("a request has one body: json=, content=, or data= with files=")
    absolute = quote(urljoin(base_url, url), safe=_SAFE)
    parts = urlsplit(absolute)
    if not parts.netloc:
        raise UsageError(f"{url!r} has no host; give a path, or base_url='http://name'")
    query = parts.query
    if params:
        query = "&".join(each for each in (query, urlencode(_pairs(params), doseq=True)) if each)
    target = (parts.path or "/") + (f"?{query}" if query else "")
    fields = Headers({"host": parts.netloc.rpartition("@")[2], "accept": "*/*"})
    kind, body = _body(json, data, files, content)
    if kind is not None:
        fields.set("content-type", kind)
    given = Headers(headers)
    for name in given:
        fields.remove(name)
    for name, value in given.items():
        fields.add(name, value)
    if isinstance(body, bytes):
        if (body or method in ("POST", "PUT", "PATCH")) and not _framed(fields):
            fields.set("content-length", str(len(body)))
        body = [body] if body else []
    elif not _framed(fields):
        fields.set("transfer-encoding", "chunked")
    return ClientRequest(method, f"{parts.scheme}://{parts.netloc}{target}", target, fields, body)


def _framed(headers: Headers) -> bool:
    """Return whether the headers say how long the body is."""
    return "content-length" in headers or "transfer-encoding" in headers


def _pairs(params: Params) -> list[tuple[str, Any]]:
    # pyright takes a list of pairs for a possible Mapping of pairs.
    pairs = params.items() if isinstance(params, Mapping) else params
    return list(cast("Iterable[tuple[str, Any]]", pairs))


def _body(
    json: Any, data: Params | None, files: Mapping[str, File] | None, content: Content | None
) -> tuple[str | None, bytes | Iterable[bytes]]:
    """Return content type and body."""
    if json is not None:
        return "application/json", anylane_json.dumps(json)
    if files is not None:
        body = b"".join(_multipart(_pairs(data or ()), files))
        return f"multipart/form-data; boundary={_BOUNDARY}", body
    if data is not None:
        encoded = urlencode(_pairs(data), doseq=True).encode("ascii")
        return "application/x-www-form-urlencoded", encoded
    if content is None:
        return None, b""
    return None, content.encode("utf-8") if isinstance(content, str) else content


def _multipart(fields: list[tuple[str, Any]], files: Mapping[str, File]) -> Iterator[bytes]:
    """Yield the parts of a multipart form (RFC 7578), with names escaped as browsers do."""
    for name, value in fields:
        for each in value if isinstance(value, list | tuple) else (value,):
            yield _part(f'name="{_escape(name)}"', None, str(each).encode("utf-8"))
    for name, file in files.items():
        filename, content, *kind = file if isinstance(file, tuple) else (name, file)
        data = content.encode("utf-8") if isinstance(content, str) else content
        disposition = f'name="{_escape(name)}"; filename="{_escape(filename)}"'
        yield _part(disposition, kind[0] if kind else "application/octet-stream", data)
    yield f"--{_BOUNDARY}--\r\n".encode("ascii")


def _part(disposition: str, kind: str | None, data: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n"
    if kind is not None:
        head += f"Content-Type: {kind}\r\n"
    return f"{head}\r\n".encode() + data + b"\r\n"


def _escape(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
