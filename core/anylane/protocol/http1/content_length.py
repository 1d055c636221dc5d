"""How long bodies are: as declared, as allowed, and as they turn out (RFC 9110 §8.6).

An answer that is longer or shorter than declared is a mistake of the handler's, and is told there.
"""

from __future__ import annotations

from anylane.errors import Refused, UsageError
from anylane.shown import shown


def declared(value: str, length: int | None) -> int:
    """Return the number of a Content-Length. Raise UsageError if it is not the one of the body.

    length: bytes that the body has, None where that is not known.
    """
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise UsageError(f"Content-Length is {shown(value)}; expected a number of bytes")
    if length is not None and length != int(value):
        raise UsageError(f"Content-Length is {value}, but the body has {length} bytes")
    return int(value)


def too_long(size: int, owed: int) -> UsageError:
    """Return the error for `size` bytes more where `owed` were left."""
    return UsageError(
        f"the response body is longer than its Content-Length: {size} bytes written where {owed} "
        "were left"
    )


def too_short(owed: int) -> UsageError:
    """Return the error for a body that ends with `owed` bytes missing."""
    return UsageError(
        f"the response body is shorter than its Content-Length: {owed} bytes are missing"
    )


def unframed() -> UsageError:
    """Return the error for an answer that sets Transfer-Encoding."""
    return UsageError(
        "a response sets Transfer-Encoding; framing is the server's. Stream with ctx.stream() "
        "where the length is not known."
    )


def too_large(size: int | None, limit: int) -> Refused:
    """Return why the body of a request is refused (RFC 9110 §15.5.14).

    size: the bytes that it declares, None if it does not say. limit: those that it may have.
    """
    if size is None:
        return Refused(413, f"body is over {limit} bytes")
    return Refused(413, f"body of {size} bytes; at most {limit}")
