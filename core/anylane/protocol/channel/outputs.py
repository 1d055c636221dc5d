"""What a channel gives its host: the parts of one answer, or of a WebSocket, in order.

Each is as long as what it carries, at least 1, so marks and rates mean what they mean for bytes.
Names are in lower case, and all that is here may go on a wire.
"""

from __future__ import annotations

from dataclasses import dataclass

from anylane.protocol.request_head import RawHeaders


@dataclass(frozen=True, slots=True)
class Hints:
    """An informational response before the final one (RFC 9110 §15.2)."""

    status: int
    headers: RawHeaders

    def __len__(self) -> int:
        return _size(self.headers)


@dataclass(frozen=True, slots=True)
class Start:
    """The head of the answer. trailers: whether Trailers come behind the last Content."""

    status: int
    headers: RawHeaders
    trailers: bool = False

    def __len__(self) -> int:
        return _size(self.headers)


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of the body. more: whether another one follows."""

    data: bytes
    more: bool

    def __len__(self) -> int:
        return len(self.data) or 1


@dataclass(frozen=True, slots=True)
class Trailers:
    """The fields behind the body (RFC 9110 §6.5); there may be none."""

    headers: RawHeaders

    def __len__(self) -> int:
        return _size(self.headers)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The handshake of a WebSocket is accepted. headers: more of them for the 101."""

    subprotocol: str | None
    headers: RawHeaders

    def __len__(self) -> int:
        return _size(self.headers)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of a WebSocket: text or bytes."""

    message: str | bytes

    def __len__(self) -> int:
        return len(self.message) or 1


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The end of a WebSocket (RFC 6455 §7.4). Before Accepted it refuses the handshake."""

    code: int
    reason: str

    def __len__(self) -> int:
        return 1


Message = Hints | Start | Content | Trailers | Accepted | Sent | Goodbye
"""What `data_to_send` of a channel gives."""


def _size(headers: RawHeaders) -> int:
    return sum(len(name) + len(value) for name, value in headers) or 1
