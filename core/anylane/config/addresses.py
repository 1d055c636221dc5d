"""The addresses that a server listens on, as they are written and as they are meant.

This file opens no socket and looks no name up.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tcp:
    """A host, by name or number, and a port. Port 0 stands for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Unix:
    """The path of a unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class Inherited:
    """A descriptor that was bound outside and passed on to this process."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Address = Tcp | Unix | Inherited
"""One thing to listen on."""


def parse_address(text: str) -> Address:
    """Return the address that *text* names: "host:port", "[v6]:port", "unix:/path" or "fd://3".

    Raises ValueError, which says what was expected, for any other text.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if path:
            return Unix(path)
    elif text.startswith("fd://"):
        number = text.removeprefix("fd://")
        if number.isdecimal() and number.isascii():
            return Inherited(int(number))
    else:
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        valid = bool(colon) and port.isdecimal() and port.isascii() and int(port) <= 65_535
        # Without brackets the end of a v6 address is not to be told (RFC 3986 §3.2.2).
        if valid and (bracketed or ":" not in host):
            return Tcp(host[1:-1] if bracketed else host, int(port))
    raise ValueError(f'{text!r}; expected "host:port", "[v6]:port", "unix:/path" or "fd://3"')
