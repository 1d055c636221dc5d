"""The bounds of every buffer and the deadlines of every state, each default with its reason.

Sizes are bytes, times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from anylane.config.checks import check, check_each
from anylane.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The bound of every buffer the core has, and what happens over it."""

    target: int = 8 * 1024
    """Request target -> 414. RFC 9112 §3 asks for at least 8000."""
    header_field: int = 8 * 1024
    """One header line -> 431. As Apache's LimitRequestFieldSize."""
    header_section: int = 64 * 1024
    """All header lines together -> 431. Tomcat and Node allow 8 to 16 KiB; cookies grow."""
    header_count: int = 100
    """Number of header lines -> 431. As Apache's LimitRequestFields."""
    body: int = 2 * 1024 * 1024
    """Request body -> 413. nginx allows 1 MiB; uploads of a photo fit."""
    pipeline: int = 64 * 1024
    """Input held while a handler runs, then reading pauses. One large request's head."""
    drain_body: int = 64 * 1024
    """Unread request body read and dropped to keep a connection; more closes it."""
    linger: int = 16 * 1024 * 1024
    """Input discarded after an early answer before the connection is closed hard. What the kernels
    of both sides may hold in flight (4 MiB and more): less, and the reset destroys the answer."""
    inbound_high: int = 256 * 1024
    """Body or messages held unread, then reading pauses. A few socket reads."""
    inbound_low: int = 64 * 1024
    """Reading resumes at or under this."""
    outbound_high: int = 64 * 1024
    """Unsent output at which writes begin to wait. asyncio's own default."""
    outbound_low: int = 16 * 1024
    """Waiting writes go on at or under this."""
    message: int = 1024 * 1024
    """One WebSocket message, inflated -> 1009. As the `websockets` library."""
    exchanges_per_turn: int = 16
    """Pipelined requests started in one go before other connections get their turn."""

    def __post_init__(self) -> None:
        check_each(self, 1, 1 << 40, int)
        for low, high in (("inbound_low", "inbound_high"), ("outbound_low", "outbound_high")):
            if getattr(self, low) > getattr(self, high):
                raise ConfigError(
                    f"Limits.{low} is {getattr(self, low)}; expected at most {high} "
                    f"({getattr(self, high)})"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """The deadline of every state a connection can be in."""

    tls_handshake: float = 10.0
    """From accepting to the end of the TLS handshake."""
    head: float = 10.0
    """First byte to last byte of a request head -> 408. Cuts off drips (Hyperlane: 6)."""
    body: float = 30.0
    """Between two pieces of a request body -> 408."""
    keep_alive: float = 15.0
    """Idle, before a first request or between two. Longer than a page's think time is waste."""
    write_stall: float = 30.0
    """Unsent output that does not shrink -> abort. A slow reader lives, a stalled one does not."""
    ping: float = 20.0
    """Between two WebSocket pings of ours; under most proxies' 60 seconds of idleness."""
    pong: float = 20.0
    """Answer to our ping, else 1011 and the end, without waiting for theirs."""
    close: float = 5.0
    """Peer's half of the WebSocket close handshake."""
    linger: float = 5.0
    """Discarding input after an early answer (RFC 9112 §9.6)."""
    drain: float = 30.0
    """From shutdown to the abort of what is still running."""

    def __post_init__(self) -> None:
        check_each(self, 0.001, 86_400.0 * 365, (int, float))


@dataclass(frozen=True, kw_only=True, slots=True)
class Deflate:
    """WebSocket compression: permessage-deflate (RFC 7692), for clients that offer it.

    The windows are powers of two, in bits. With the defaults a session costs 32 KiB to compress
    and 12 KiB to read, each from the first compressed message on; with 15 bits and a memory
    level of 8 it would be 256 and 44.
    """

    enabled: bool = True
    """Accept it. Every browser offers it."""
    server_no_context_takeover: bool = False
    """Compress each message by itself: no memory between two, and larger messages."""
    client_no_context_takeover: bool = False
    """Ask the client to do so."""
    server_max_window_bits: int = 12
    """How far back our messages refer; what the client asks for is the most. As `websockets`."""
    client_max_window_bits: int = 12
    """What is asked of a client that can limit its window; any other is read with 15."""
    level: int = 3
    """zlib's, 1 to 9. Above 4 it takes much more time for little."""
    memory_level: int = 5
    """zlib's, 1 to 9: 2 ** (level + 9) bytes while compressing. As `websockets`."""
    threshold: int = 128
    """Bytes from which a message is compressed; a smaller one gains nothing."""

    def __post_init__(self) -> None:
        for name in ("enabled", "server_no_context_takeover", "client_no_context_takeover"):
            check(self, name, bool)
        # RFC 7692 §7.1.2 allows 8, but zlib cannot write a raw stream with it.
        check(self, "server_max_window_bits", int, 9, 15)
        check(self, "client_max_window_bits", int, 9, 15)
        check(self, "level", int, 1, 9)
        check(self, "memory_level", int, 1, 9)
        check(self, "threshold", int, 1, 1 << 40)
