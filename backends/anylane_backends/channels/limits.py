"""Limits of a request that a host has read: the bounds that heads on our own lanes are held to."""

from __future__ import annotations

from anylane.config.limits import Limits
from anylane.errors import Refused
from anylane.protocol.request_head import RawHeaders


def check_limits(target: bytes, headers: RawHeaders, limits: Limits) -> None:
    """Raise Refused, with the status to answer, for a head that is over a limit of ours.

    A target that is too long is a 414 (RFC 9110 §15.5.15), header lines are a 431 (RFC 6585 §5).
    """
    if len(target) > limits.target:
        raise Refused(414, f"target is {len(target)} bytes; at most {limits.target}", target)
    if len(headers) > limits.header_count:
        raise Refused(431, f"{len(headers)} header lines; at most {limits.header_count}")
    sizes = [len(name) + len(value) + 4 for name, value in headers]
    if sizes and max(sizes) - 2 > limits.header_field:
        raise Refused(431, f"header line of {max(sizes) - 2} bytes; at most {limits.header_field}")
    if sum(sizes) > limits.header_section:
        raise Refused(431, f"header section is over {limits.header_section} bytes")


def declared_length(value: bytes) -> int | None:
    """Return the length that a Content-Length header declares, None if it is no number of bytes."""
    return int(value) if value.isdigit() and len(value) <= 18 else None


def without_prefix(path: bytes, prefix: bytes) -> bytes:
    """Return a path as the app sees it that is mounted under a prefix, which has no slash at its
    end. A path that is not below the prefix stays as it is."""
    if prefix and (path == prefix or path.startswith(prefix + b"/")):
        path = path[len(prefix) :]
    return path or b"/"
