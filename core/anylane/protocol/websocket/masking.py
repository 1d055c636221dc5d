"""Masking: XOR with a key of four bytes (RFC 6455 §5.3), without a loop over the bytes."""

from __future__ import annotations

from functools import cache


def unmask(data: bytes, begin: int, end: int) -> bytes | bytearray:
    """RFC 6455 §5.3. The masking key is in front of `begin`."""
    key, length = data[begin - 4 : begin], end - begin
    if length < _LONG:
        pad = (key * (length // 4 + 1))[:length]
        return (key_number(data[begin:end]) ^ key_number(pad)).to_bytes(length)
    payload = bytearray(data[begin:end])
    for n, byte in enumerate(key):
        payload[n::4] = payload[n::4].translate(_xor_table(byte))
    return payload


@cache
def _xor_table(key: int) -> bytes:
    return bytes(byte ^ key for byte in range(256))


_LONG = 700
"""Bytes from which on it is quicker to translate every fourth byte than to make one number of all:
half the time at 64 KiB."""


SHORT = 126
"""Lengths that have a number in `ONES`."""


key_number = int.from_bytes


ONES = tuple(key_number(b"\0\0\0\1" * (1 - (-length // 4))) for length in range(SHORT))
"""By length: times a key, the key itself and as many repetitions as cover it."""
