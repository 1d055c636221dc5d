"""permessage-deflate: what was agreed, and messages through zlib within bounds (RFC 7692).

It never sees a frame. `frame_reader` and `frame_writer` decide what is compressed, this file how.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from anylane.config.limits import Deflate

NAME = "permessage-deflate"

_SYNC_TAIL = b"\x00\x00\xff\xff"
"""The end of every flushed message. It is not sent (RFC 7692 §7.2.1)."""

_LARGEST_WINDOW = 15

_SMALLEST_WINDOW = 9
"""zlib makes no raw stream with 8 bits, and reads those of clients that say 8 with 9."""

_MAX_STREAMS = 16
"""Final blocks in one message. A sender that sets BFINAL does so once, at the end; each costs us a
new inflater."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """The parameters of one session (RFC 7692 §7.1).

    header: our answer, for Sec-WebSocket-Extensions.
    """

    header: str
    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int
    client_max_window_bits: int


def negotiate(offers: Iterable[Offer], settings: Deflate) -> Agreed | None:
    """Return what is agreed upon, or None to decline all offers (RFC 7692 §5, §7.1).

    It is the first of the client's offers that can be met, with what the settings ask for on top.
    """
    if not settings.enabled:
        return None
    for offer in offers:
        if offer.name.lower() == NAME and (agreed := _accept(offer, settings)) is not None:
            return agreed
    return None


_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS = ("server_max_window_bits", "client_max_window_bits")

_BITS = {str(bits): bits for bits in range(8, _LARGEST_WINDOW + 1)}
"""Windows as they are written: without a leading zero (RFC 7692 §7.1.2)."""


def _accept(offer: Offer, settings: Deflate) -> Agreed | None:
    """Return what is agreed upon for one offer, or None to decline it."""
    # RFC 7692 §7.1: decline an offer with an unknown or a repeated parameter, or a bad value.
    asked: dict[str, int | None] = {}
    for name, value in offer.parameters:
        if name in asked or name not in (*_FLAGS, *_WINDOWS):
            return None
        if name in _FLAGS and value is not None:
            return None
        # Only the client may name its window without a value: it can limit it, to what we ask.
        if name in _WINDOWS and value not in _BITS and (value, name) != (None, _WINDOWS[1]):
            return None
        asked[name] = _BITS[value] if value is not None else None
    server_bits = min(asked.get(_WINDOWS[0]) or _LARGEST_WINDOW, settings.server_max_window_bits)
    if server_bits < _SMALLEST_WINDOW:
        return None
    client_bits = _LARGEST_WINDOW
    if _WINDOWS[1] in asked:
        # §7.1.2.2: a client that has not named this parameter does not know it.
        client_bits = min(asked[_WINDOWS[1]] or _LARGEST_WINDOW, settings.client_max_window_bits)
    server_fresh = _FLAGS[0] in asked or settings.server_no_context_takeover
    client_fresh = _FLAGS[1] in asked or settings.client_no_context_takeover
    words = [NAME]
    words += [_FLAGS[0]] * server_fresh + [_FLAGS[1]] * client_fresh
    if server_bits < _LARGEST_WINDOW or _WINDOWS[0] in asked:
        words.append(f"{_WINDOWS[0]}={server_bits}")
    if _WINDOWS[1] in asked:
        words.append(f"{_WINDOWS[1]}={client_bits}")
    return Agreed(
        header="; ".join(words),
        server_no_context_takeover=server_fresh,
        client_no_context_takeover=client_fresh,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
    )


class InflateError(Exception):
    """What the peer sent is not deflated data."""


class Inflater:
    """Inflates the peer's messages, piece by piece."""

    __slots__ = ("_bits", "_fresh", "_started", "_streams", "_zlib")

    def __init__(self, agreed: Agreed) -> None:
        self._bits = -max(agreed.client_max_window_bits, _SMALLEST_WINDOW)
        self._fresh = agreed.client_no_context_takeover
        self._zlib: zlib._Decompress | None = None
        self._started = False
        self._streams = 0

    def inflate(self, data: bytes, limit: int) -> bytes:
        """Return at most *limit* bytes, however many *data* unfolds to.

        A limit of one byte more than the caller can take shows that there is too much. Raises
        InflateError.
        """
        out = b""
        while data:
            if self._zlib is None:
                self._zlib = zlib.decompressobj(self._bits)
            self._started = True
            try:
                piece = self._zlib.decompress(data, limit - len(out))
            except zlib.error:
                raise InflateError from None
            out = out + piece if out else piece
            if not self._zlib.eof or len(out) >= limit:
                break
            # RFC 7692 §7.2.1 allows final blocks (BFINAL), in the middle too. What follows is
            # read as a stream of its own, because zlib does not give out its window.
            data = self._zlib.unused_data
            self._zlib = None
            self._started = False
            self._streams += 1
            if self._streams > _MAX_STREAMS:
                raise InflateError
        return out

    def end(self, limit: int) -> bytes:
        """Return the rest of the message, at most *limit* bytes.

        What comes next is another message. Raises InflateError.
        """
        # Behind a final block, and in a message without a byte, there is nothing to flush.
        out = self.inflate(_SYNC_TAIL, limit) if self._started else b""
        self._started = False
        self._streams = 0
        if self._fresh:
            self._zlib = None
        return out


class Deflater:
    """Compresses our messages, one after the other."""

    __slots__ = ("_agreed", "_level", "_memory_level", "_zlib")

    def __init__(self, agreed: Agreed, settings: Deflate) -> None:
        self._agreed = agreed
        self._level = settings.level
        self._memory_level = settings.memory_level
        self._zlib: zlib._Compress | None = None

    @property
    def parameters(self) -> tuple[int, int, int] | None:
        """Return what the payload of a message depends on; None if its context is taken over."""
        if not self._agreed.server_no_context_takeover:
            return None
        return self._agreed.server_max_window_bits, self._level, self._memory_level

    def deflate(self, message: bytes) -> bytes:
        """Return a whole message, not empty, as the payload of its frame (RFC 7692 §7.2.1)."""
        compressor = self._zlib
        if compressor is None:
            bits = -self._agreed.server_max_window_bits
            compressor = zlib.compressobj(self._level, zlib.DEFLATED, bits, self._memory_level)
            if not self._agreed.server_no_context_takeover:
                self._zlib = compressor
        data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return data[: -len(_SYNC_TAIL)]


@dataclass(frozen=True, slots=True)
class Offer:
    """One extension with its parameters, in the client's order."""

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()
    """Names and values. A value may be missing."""
