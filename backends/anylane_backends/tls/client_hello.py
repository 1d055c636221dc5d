"""The server name of a ClientHello (RFC 8446 §4.1.2, RFC 6066 §3).

`SSLContext.sni_callback` would tell it, too. But for a name that is not ASCII CPython prints a
traceback that cannot be caught, once for each hostile client. This module reads bytes that OpenSSL
has already accepted, so it checks nothing, and gives None for what it does not understand.
"""

from __future__ import annotations

LONGEST = 5 + 16384
"""Bytes that are read of a ClientHello at most: one whole record (RFC 8446 §5.1)."""


def server_name(hello: bytes) -> str | None:
    """Return the host that the client asked for, if its ClientHello is the first record of `hello`;
    else None."""
    try:
        name = _name(hello[: 5 + int.from_bytes(hello[3:5], "big")])
        return None if name is None else name.decode("ascii")
    except (IndexError, UnicodeDecodeError):
        return None


def _name(record: bytes) -> bytes | None:
    at = 5 + 4 + 2 + 32  # record header, handshake header, version, random
    at += 1 + record[at]  # session id
    at += 2 + _short(record, at)  # cipher suites
    at += 1 + record[at]  # compression methods
    at += 2  # length of the extensions
    while at < len(record):
        kind, size = _short(record, at), _short(record, at + 2)
        if kind == 0:
            # It is a list of names, and the host name is the only kind that was ever defined.
            length = _short(record, at + 7)
            return record[at + 9 : at + 9 + length]
        at += 4 + size
    return None


def _short(record: bytes, at: int) -> int:
    return record[at] << 8 | record[at + 1]
