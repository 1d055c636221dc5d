"""Masking: XOR with a key of four bytes (RFC 6455 §5.3), without a loop over the bytes.

Pure functions, which know no frame. The two ways below are the quickest of what was tried, in pure
Python. Where the package websockets is installed its function in C takes their place: 64 bytes take
a sixth of the time then, 64 KiB a fortieth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

ApplyMask = Callable[[bytes, bytes], bytes]
"""Returns data, masked or unmasked with a key of four bytes."""


@cache
def apply_mask() -> ApplyMask | None:
    """Return the function of the package websockets (the extra `speed`). Return None if it cannot
    be imported, or does not do what this module does: its documentation does not name it."""
    try:
        found: ApplyMask = import_module("websockets.speedups").apply_mask
        equal = all(
            found(_KEY * 4 + data, _KEY) == b"\0" * 16 + masked for data, masked in _SAMPLES
        )
    except Exception:  # noqa: BLE001  # Whatever it is, there is the way below.
        return None
    return found if equal else None


def unmask(data: bytes, begin: int, end: int) -> bytes | bytearray:
    """Return the bytes from *begin* to *end*, unmasked (RFC 6455 §5.3).

    The masking key is the four bytes in front of *begin*.
    """
    apply = apply_mask()
    if apply is not None:
        return apply(data[begin:end], data[begin - 4 : begin])
    key, length = data[begin - 4 : begin], end - begin
    if length < _LONG:
        pad = (key * (length // 4 + 1))[:length]
        return (key_number(data[begin:end]) ^ key_number(pad)).to_bytes(length)
    payload = bytearray(data[begin:end])
    for n, byte in enumerate(key):
        payload[n::4] = payload[n::4].translate(_xor_table(byte))
    return payload


_KEY = b"\x01\x80\x7f\xff"

_SAMPLES = ((b"", b""), (b"\x00", b"\x01"), (b"\x81\xff\x7f\x00\x81", b"\x80\x7f\x00\xff\x80"))
"""What has to come out of that function: the ends of frames that no word of a machine fills."""


@cache
def _xor_table(key: int) -> bytes:
    """Return the table that translates each byte to its XOR with *key*."""
    return bytes(byte ^ key for byte in range(256))


_LONG = 700
"""Bytes from which translating every fourth byte is quicker than making one number of all: half the
time at 64 KiB."""

SHORT = 126
"""Lengths below this have a number in `ONES`."""

key_number: Callable[[bytes], int] = int.from_bytes

ONES = tuple(key_number(b"\0\0\0\1" * (1 - (-length // 4))) for length in range(SHORT))
"""By length: a number that, times a key, is the key repeated as often as covers that length."""
