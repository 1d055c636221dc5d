"""The WebSocket opening handshake, server side (RFC 6455 §4.2).

Pure functions of a request head; nothing here sends.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from anylane.errors import Refused, UsageError
from anylane.protocol.fields import Header
from anylane.protocol.request_head import RequestHead
from anylane.protocol.websocket.deflate import Agreed, Offer

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_UPGRADE = (("Upgrade", "websocket"), ("Connection", "upgrade"))
"""A sender of Upgrade lists it in Connection (RFC 9110 §7.8)."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client offers."""

    key: bytes
    """The value of Sec-WebSocket-Key."""
    subprotocols: tuple[str, ...]
    """In the client's order of preference."""
    extensions: tuple[Offer, ...] = ()
    """In the client's order of preference."""


def is_websocket(head: RequestHead) -> bool:
    """Return whether the client asks for a WebSocket at all."""
    if b"upgrade" not in head.connection:
        return False
    upgrade = head.get(b"upgrade")
    return upgrade is not None and b"websocket" in (
        option.strip().lower() for option in upgrade.split(b",")
    )


def read_handshake(head: RequestHead) -> Handshake:
    """Return what the client offers (RFC 6455 §4.2.1).

    Raises Refused with 400, 405 or 426, and the header that goes with it.
    """
    if not is_websocket(head):
        raise Refused(
            426,
            "this is a WebSocket; expected Connection: Upgrade and Upgrade: websocket",
            head.get(b"upgrade") or b"",
            _UPGRADE,
        )
    if head.method != b"GET":
        raise Refused(405, "a WebSocket handshake is a GET", head.method, (("Allow", "GET"),))
    if head.version != b"1.1":
        raise Refused(400, "a WebSocket handshake needs HTTP/1.1")
    if head.has_body:
        raise Refused(400, "a WebSocket handshake has no body")
    versions = [value for name, value in head.headers if name == b"sec-websocket-version"]
    if versions != [b"13"]:
        raise Refused(
            426,
            "only WebSocket version 13 is spoken here",
            b", ".join(versions),
            (("Sec-WebSocket-Version", "13"), *_UPGRADE),
        )
    keys = [value for name, value in head.headers if name == b"sec-websocket-key"]
    if len(keys) != 1 or not _is_key(keys[0]):
        raise Refused(400, "Sec-WebSocket-Key is not 16 bytes of base64", b", ".join(keys))
    names = _joined(head, b"sec-websocket-protocol").decode("latin-1").split(",")
    return Handshake(
        keys[0],
        tuple(name for each in names if (name := each.strip())),
        parse_extensions(_joined(head, b"sec-websocket-extensions")),
    )


def _joined(head: RequestHead, name: bytes) -> bytes:
    """Return a list that may be spread over several lines, as one (RFC 9110 §5.3)."""
    return b",".join(value for each, value in head.headers if each == name)


def _is_key(key: bytes) -> bool:
    """Return whether it is 16 bytes of base64."""
    try:
        return len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False


def accept_headers(
    handshake: Handshake, subprotocol: str | None, agreed: Agreed | None = None
) -> list[Header]:
    """Return the headers of the 101 answer (RFC 6455 §4.2.2).

    Raises UsageError for a subprotocol that the client did not offer.
    """
    if subprotocol is not None and subprotocol not in handshake.subprotocols:
        raise UsageError(
            f"subprotocol {subprotocol!r} was accepted, but the client offered "
            f"{', '.join(handshake.subprotocols) or 'none'} (RFC 6455 §4.2.2)"
        )
    token = base64.b64encode(hashlib.sha1(handshake.key + _GUID, usedforsecurity=False).digest())
    headers = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", token.decode("ascii")),
    ]
    if subprotocol is not None:
        headers.append(("sec-websocket-protocol", subprotocol))
    if agreed is not None:
        headers.append(("sec-websocket-extensions", agreed.header))
    return headers


_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"

_PARAMETER = rf"[ \t]*;[ \t]*({_WORD})(?:[ \t]*=[ \t]*(?:({_WORD})|\"({_WORD})\"))?"
"""RFC 6455 §9.1: a value in quotes must be a token once the quotes are gone."""

_NEXT_PARAMETER = re.compile(_PARAMETER)
_EXTENSION = re.compile(rf"[ \t]*({_WORD})((?:{_PARAMETER})*)[ \t]*(?:,|$)")
_EMPTY = re.compile(r"[ \t]*(?:,|$)")


def parse_extensions(value: bytes) -> tuple[Offer, ...]:
    """Return the offers in a header, in the client's order of preference.

    Raises Refused with 400 for what breaks the grammar: the connection must be failed then (RFC
    6455 §9.1).
    """
    text = value.decode("latin-1")
    offers: list[Offer] = []
    at = 0
    while at < len(text):
        # RFC 9110 §5.6.1: empty elements of a list are skipped.
        found = _EMPTY.match(text, at) or _EXTENSION.match(text, at)
        if found is None:
            raise Refused(400, "Sec-WebSocket-Extensions is malformed", value[at : at + 64])
        if found.re is _EXTENSION:
            parameters = tuple(
                (name, token or quoted or None)
                for name, token, quoted in _NEXT_PARAMETER.findall(found[2])
            )
            offers.append(Offer(found[1], parameters))
        at = found.end()
    return tuple(offers)
