"""Response: what will be answered. A plain value; nothing here sends."""

from __future__ import annotations

from typing import Any

from anylane import json
from anylane.headers import Headers, Initial
from anylane.protocol.response import Header, check_header, check_status


class Response:
    """Status, headers and body; the setters return it, so that they can be chained.

    status: 200 to 999, None until it is set; then 200, or 204 without a body.
    """

    __slots__ = ("_body", "_status", "closes", "headers", "trailers")

    def __init__(
        self,
        body: str | bytes | None = None,
        status: int | None = None,
        headers: Initial = (),
        content_type: str | None = None,
    ) -> None:
        self._status = None if status is None else check_status(status)
        self.headers = Headers(headers)
        self._body: bytes | None = None
        self.closes = False
        self.trailers: list[Header] = []
        if isinstance(body, str):
            self.set_text(body)
        elif body is not None:
            self.set_body(body)
        if content_type is not None:
            self.headers.set("content-type", content_type)

    @property
    def status(self) -> int | None:
        return self._status

    @property
    def body(self) -> bytes | None:
        return self._body

    def set_status(self, status: int) -> Response:
        self._status = check_status(status)
        return self

    def set_header(self, name: str, value: str) -> Response:
        """Replace every value of that name."""
        self.headers.set(name, value)
        return self

    def add_header(self, name: str, value: str) -> Response:
        self.headers.add(name, value)
        return self

    def remove_header(self, name: str) -> Response:
        self.headers.remove(name)
        return self

    def set_body(self, body: bytes, content_type: str = "application/octet-stream") -> Response:
        """The content type is set only if there is none."""
        self._body = bytes(body)
        if "content-type" not in self.headers:
            self.headers.set("content-type", content_type)
        return self

    def set_text(self, text: str) -> Response:
        return self.set_body(text.encode("utf-8"), "text/plain; charset=utf-8")

    def set_html(self, html: str) -> Response:
        return self.set_body(html.encode("utf-8"), "text/html; charset=utf-8")

    def set_json(self, value: Any) -> Response:
        """Raises TypeError for what JSON has no form for."""
        return self.set_body(json.dumps(value), "application/json")

    def redirect(self, location: str, status: int = 307) -> Response:
        """307 keeps method and body (RFC 9110 §15.4.8)."""
        self.set_header("location", location)
        return self.set_status(status)

    def set_trailer(self, name: str, value: str) -> Response:
        """Sent behind a streamed body to HTTP/1.1 clients (RFC 9110 §6.5)."""
        check_header(name, value)
        self.trailers.append((name, value))
        return self

    def close_connection(self) -> Response:
        """Close the connection after this response."""
        self.closes = True
        return self

    def head(self) -> tuple[int, list[Header]]:
        """What goes on the wire before the body."""
        headers = self.headers.items()
        if self.closes:
            headers.append(("connection", "close"))
        status = self._status
        if status is None:
            status = 200 if self._body is not None else 204
        return status, headers
