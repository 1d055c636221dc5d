"""The header lines that every answer has, as a setting."""

from __future__ import annotations

import re
from typing import Any

from anylane.errors import ConfigError

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

_SERVERS_OWN = frozenset(
    ("connection", "content-length", "date", "keep-alive", "te", "trailer", "transfer-encoding",
     "upgrade")
)  # fmt: skip
_HANDSHAKE = "sec-websocket-"

_EXPECTED = "expected pairs of a name and a value: headers=[('x-frame-options', 'DENY')]"


def checked_headers(given: Any) -> tuple[tuple[str, str], ...]:
    """Return the setting `headers`, given as a list or tuple of pairs.

    Raises ConfigError for anything else, for what must not go on the wire (RFC 9110 §5.1, §5.5),
    and for fields of framing or of a handshake, which the server sets itself.
    """
    if not isinstance(given, list | tuple):
        raise ConfigError(f"ServerConfig.headers is {given!r:.80}; {_EXPECTED}")
    return tuple(_checked(each) for each in given)


def _checked(pair: Any) -> tuple[str, str]:
    if not (
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], str)
    ):
        raise ConfigError(f"ServerConfig.headers has {pair!r:.80}; {_EXPECTED}")
    name, value = pair
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
        raise ConfigError(
            f"ServerConfig.headers has {name!r:.80}: {value!r:.80}; expected a token and Latin-1 "
            "without control characters"
        )
    if name.lower() in _SERVERS_OWN or name.lower().startswith(_HANDSHAKE):
        raise ConfigError(f"ServerConfig.headers has {name}; the server sets that field itself")
    return name, value
