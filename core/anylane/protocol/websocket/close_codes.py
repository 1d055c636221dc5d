"""Close codes: which may be sent and received (RFC 6455 §7.4, and the IANA registry).

A table and its checks. Nothing here closes anything.
"""

from __future__ import annotations

from anylane.errors import UsageError
from anylane.shown import shown

NO_STATUS = 1005
"""What a close frame without a code counts as. It is never on the wire."""

CLOSE_CODES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid payload data",
    1008: "policy violation",
    1009: "message too big",
    1010: "mandatory extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
}
"""The codes with a meaning of their own. 1004 is reserved. 1005, 1006 and 1015 stand for what was
no close frame at all."""

_OPEN_TO_ALL = range(3000, 5000)
"""3000 to 3999 are for libraries, which register them; from 4000 on they are for applications."""


def is_close_code(code: object) -> bool:
    """Return whether a close frame may carry it."""
    return code in CLOSE_CODES or code in _OPEN_TO_ALL


def check_close(code: int, reason: str) -> None:
    """Raise UsageError for a code that must not be sent, and for a reason that cannot be."""
    if not (isinstance(code, int) and is_close_code(code)):  # type: ignore[redundant-expr]
        raise UsageError(
            f"close code is {shown(code)}; expected "
            "1000 to 1014 without 1004 to 1006, or 3000 to 4999"
        )
    try:
        reason.encode("utf-8")
    except (AttributeError, UnicodeEncodeError):
        raise UsageError(
            f"close reason is {shown(reason)}; expected a str with a UTF-8 form, that is without "
            "lone surrogates"
        ) from None
