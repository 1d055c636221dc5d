"""Responses of which some or all is settled: at a handshake, and once their handler is given up."""

from __future__ import annotations

from typing import Any, NoReturn

from anylane.errors import Cancelled, UsageError
from anylane.http.headers import TOO_LATE, Headers
from anylane.http.response import Response
from anylane.protocol.fields import Header

_FIXED = frozenset(
    ("connection", "upgrade", "content-length", "content-type", "transfer-encoding", "trailer")
)
_FIXED_START = "sec-websocket-"


def is_handshake_field(name: str) -> bool:
    """Return whether a handshake sets this header itself, or it is about a body."""
    lower = name.lower()
    return lower in _FIXED or lower.startswith(_FIXED_START)


class HandshakeHeaders(Headers):
    """The headers of a handshake: all but its own may be changed until it is sent."""

    __slots__ = ("sent",)

    def __init__(self, lines: list[Header]) -> None:
        super().__init__()
        for name, value in lines:
            self.append(name, value)
        self.frozen: bool = True
        self.sent: bool = False

    def _touch(self, name: str) -> None:
        if self.sent:
            raise UsageError(TOO_LATE)
        if is_handshake_field(name):
            raise UsageError(
                f"the header {name} cannot be changed here: the answer is a handshake, which sets "
                "it itself"
            )


class HandshakeResponse(Response):
    """A 101, or the 200 to a CONNECT, as the response hooks see it.

    Headers and cookies may be added. Its status, its body, and the fields of framing and of the
    handshake are settled: changing them raises UsageError that names the field.
    """

    __slots__ = ("_settled",)

    def __init__(self, status: int, before: Response) -> None:
        """Take the headers and cookies that were set before."""
        super().__init__()
        # Not by `set_status`: a 101 is none that a handler may choose.
        self._status = status
        self._cookies = None if before._cookies is None else dict(before._cookies)
        self._headers: HandshakeHeaders = HandshakeHeaders(
            [each for each in before.headers.items() if not is_handshake_field(each[0])]
        )

    def set_status(self, status: int) -> NoReturn:  # noqa: ARG002  # as Response
        """Raise UsageError: the status of a handshake is settled."""
        self._refuse("status")

    def set_body(self, body: Any, content_type: str = "") -> NoReturn:  # noqa: ARG002  # as Response
        """Raise UsageError: a handshake has no body."""
        self._refuse("body")

    def close_connection(self) -> NoReturn:
        """Raise UsageError: the connection goes on with another protocol."""
        self._refuse("connection")

    def _refuse(self, field: str) -> NoReturn:
        if self.sent:
            raise UsageError(TOO_LATE)
        raise UsageError(
            f"the {field} cannot be changed here: the answer is a {self._status}, which goes on "
            "with another protocol. Raise an HTTPError to refuse it"
        )

    def freeze(self) -> None:
        """Refuse every further change: the head is on the wire."""
        self.sent: bool = True
        self._headers.sent = True


class AbandonedResponse(Response):
    """The response of a handler that was given up, to which another one answers now.

    Whatever is done with it raises Cancelled.
    """

    __slots__ = ()

    @classmethod
    def abandon(cls, response: Response) -> None:
        """Make a response such a one. The handler that is stuck may hold it. One of a class that
        is derived from Response stays what it is."""
        if type(response) is Response:
            response.__class__ = cls

    @property
    def headers(self) -> NoReturn:
        self._touch()

    def set_body(self, body: Any, content_type: str = "") -> NoReturn:  # noqa: ARG002  # as Response
        """Raise Cancelled."""
        self._touch()

    def _touch(self) -> NoReturn:
        raise Cancelled("the handler was interrupted: another response was sent in its place")
