"""What a server listens on, as it is written and as it is meant. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tcp:
    """A host, name or number, and a port; 0 takes any free one."""

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
    """A descriptor that somebody else has bound, and passed on."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Address = Tcp | Unix | Inherited


def parse_address(text: str) -> Address:
    """ "host:port", "[v6]:port", "unix:/path" or "fd://3"; ValueError says what is wrong."""
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
        # Without brackets nobody knows where a v6 address ends (RFC 3986 §3.2.2).
        if valid and (bracketed or ":" not in host):
            return Tcp(host[1:-1] if bracketed else host, int(port))
    raise ValueError(f'{text!r}; expected "host:port", "[v6]:port", "unix:/path" or "fd://3"')
