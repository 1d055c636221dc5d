"""Envelope: how an item of a room travels, so that it comes out as what went in.

It is two bytes by which ours are known, one for the kind, 16 for the sender, then the item: bytes
as they are, a text in UTF-8, anything else as JSON.
"""

from __future__ import annotations

from typing import Any

from anylane import json
from anylane.errors import UsageError
from anylane.shown import shown

MARK = b"A1"
"""The version of this format. Messages that begin with anything else are not ours."""

SENDER_SIZE = 16
"""Characters of a sender's number, which is random: 64 bits, in hexadecimal."""

OVERHEAD = len(MARK) + 1 + SENDER_SIZE
"""Bytes in front of an item."""

MAX_DEPTH = 64
"""Lists and dicts within each other. It is far from the depth at which Python's own parser stops,
so what is sent here can be read there."""

_PLAIN = frozenset((str, int, float, bool, type(None)))


class BadEnvelope(ValueError):
    """A message that no bridge of ours has sent."""


def encode(item: Any, sender: bytes) -> bytes:
    """Return an item as it travels.

    Raise UsageError for what would arrive as something else: it has to be bytes, str, or what JSON
    says: a dict with str keys, a list, int, float, bool, None.
    """
    if type(item) is bytes:
        return b"%bb%b%b" % (MARK, sender, item)
    if type(item) is str:
        try:
            return b"%bt%b%b" % (MARK, sender, item.encode())
        except UnicodeEncodeError:
            raise UsageError(
                f"the text {shown(item)} has a lone surrogate, which UTF-8 cannot say"
            ) from None
    _check(item, "the item", 0)
    try:
        data = json.dumps(item)
    except (TypeError, ValueError, RecursionError) as exc:
        raise UsageError(f"an item of a bridged room cannot be said in JSON: {exc}") from None
    return b"%bj%b%b" % (MARK, sender, data)


def decode(message: bytes) -> tuple[bytes, Any]:
    """Return the sender of a message and its item. Raise BadEnvelope for one that is not ours."""
    if len(message) < OVERHEAD or not message.startswith(MARK):
        raise BadEnvelope
    kind, sender, data = message[2:3], message[3:OVERHEAD], message[OVERHEAD:]
    try:
        if kind == b"b":
            return sender, data
        if kind == b"t":
            return sender, data.decode()
        if kind == b"j":
            return sender, json.loads(data)
    except (ValueError, RecursionError):
        pass
    raise BadEnvelope


def sender_of(message: bytes) -> bytes:
    """Return the sender that a message names, whether it is ours or not."""
    return message[3:OVERHEAD]


def _check(value: Any, where: str, depth: int) -> None:
    """Raise UsageError for a value that JSON would change."""
    kind = type(value)
    if kind in _PLAIN:
        return
    if depth >= MAX_DEPTH:
        raise UsageError(f"{where} of a bridged room is over {MAX_DEPTH} levels deep")
    if kind is list:
        for number, each in enumerate(value):
            if type(each) not in _PLAIN:
                _check(each, f"{where}[{number}]", depth + 1)
    elif kind is dict:
        for key, each in value.items():
            if type(key) is not str:
                raise UsageError(
                    f"{where} of a bridged room has the key {shown(key)}; JSON has str keys only"
                )
            if type(each) not in _PLAIN:
                _check(each, f"{where}[{shown(key)}]", depth + 1)
    else:
        raise UsageError(
            f"{where} of a bridged room is a {kind.__name__}, which another process would get as "
            "something else; expected bytes, str, or what JSON says: dict with str keys, list, "
            "int, float, bool, None"
        )
