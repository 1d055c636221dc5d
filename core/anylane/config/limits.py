"""The bounds of every buffer and the deadlines of every state, each default with its reason.

Sizes are bytes, times are seconds. Nothing here enforces a bound: the part that owns the buffer or
the state does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from anylane.config.checks import check, check_each
from anylane.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The bounds of every buffer of the core, in bytes or as a number.

    A ConfigError that names the field, the value and the bound is raised for a value that is no int
    from 1 to 2**40 (a rate: from 0), and for a low mark above its high one. docs/limits.md shows
    what happens at each bound.
    """

    target: int = 8 * 1024
    """A longer request target gets 414. RFC 9112 §3 asks for at least 8000 bytes."""
    header_field: int = 8 * 1024
    """A longer header line gets 431. As Apache's LimitRequestFieldSize."""
    header_section: int = 64 * 1024
    """More header lines together get 431. Tomcat and Node allow 8 to 16 KiB; cookies grow."""
    header_count: int = 100
    """More header lines get 431. As Apache's LimitRequestFields."""
    body: int = 2 * 1024 * 1024
    """A larger request body gets 413, unless its route allows it. nginx allows 1 MiB; uploads of a
    photo fit."""
    proxy_header: int = 4096
    """A larger header of the PROXY protocol, version 2, ends the connection. As nginx; a proxy that
    passes certificates on needs it. A line of version 1 has 107."""
    chunk_overhead: int = 64 * 1024
    """A chunked body gets 400 if its framing is over so many bytes more than its data. Chunks of
    five bytes and more never are, those of one after 16,000. Go allows 16 KiB."""
    pipeline: int = 64 * 1024
    """Reading pauses over so much input behind a running handler. One large request's head."""
    drain_body: int = 64 * 1024
    """So much of an unread request body is dropped to keep a connection; more closes it."""
    linger: int = 16 * 1024 * 1024
    """So much input is discarded after an early answer before the connection is closed hard. The
    kernels of both sides may hold 4 MiB and more in flight; with less, their reset destroys the
    answer."""
    inbound_high: int = 256 * 1024
    """Reading pauses when more of a body or of messages is held unread. A few socket reads."""
    inbound_low: int = 64 * 1024
    """Reading resumes when no more than this is held."""
    outbound_high: int = 64 * 1024
    """While more output is unsent writes wait, no further request of the connection is begun, and
    nothing is read. asyncio's own default."""
    outbound_low: int = 16 * 1024
    """Waiting writes go on when no more than this is unsent."""
    message: int = 1024 * 1024
    """A larger WebSocket message, inflated, is closed with 1009. As the `websockets` library."""
    fragments: int = 16 * 1024
    """A WebSocket message in more fragments is closed with 1008. The largest, 64 bytes each."""
    body_rate: int = 240
    """Bytes a second at which a body, or a message in pieces, has to come, on average over
    `timeouts.body` and `rate_grace`; 0 for any. As Kestrel; Apache asks for 500."""
    send_rate: int = 240
    """Bytes a second that a client has to take while output waits for it, on average over
    `timeouts.write_stall` and `rate_grace`; 0 for any. As Kestrel."""
    exchanges_per_turn: int = 16
    """So many pipelined requests are started in one go before other connections get their turn."""
    pieces_per_turn: int = 128
    """So many chunks of a body or frames of a WebSocket are decoded in one go before other
    connections get their turn. The slowest take a millisecond together."""

    def __post_init__(self) -> None:
        for each in fields(self):
            check(self, each.name, int, 0 if each.name.endswith("_rate") else 1, 1 << 40)
        for low, high in (("inbound_low", "inbound_high"), ("outbound_low", "outbound_high")):
            if getattr(self, low) > getattr(self, high):
                raise ConfigError(
                    f"Limits.{low} is {getattr(self, low)}; expected at most {high} "
                    f"({getattr(self, high)})"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """The deadline of every state of a connection, in seconds.

    A ConfigError that names the field, the value and the bound is raised for a value that is no
    number from 0.001 to a year. docs/limits.md shows what happens when each has passed.
    """

    tls_handshake: float = 10.0
    """Accepting to the end of the TLS handshake; a slower one is reset."""
    head: float = 10.0
    """First to last byte of a request head; a slower one gets 408. Cuts off drips (Hyperlane:
    6)."""
    body: float = 30.0
    """Between two pieces of a request body; a longer pause gets 408."""
    rate_grace: float = 10.0
    """Slower than a minimum rate for so long, beyond one pause, is too slow. Three lost packets
    take 7; Kestrel waits 5."""
    keep_alive: float = 15.0
    """Idle, before a first request or between two. Longer than a page's think time is waste."""
    write_stall: float = 30.0
    """Unsent output that does not shrink is aborted. A slow reader lives, a stalled one not."""
    look: float = 5.0
    """Between two looks for a client that has left behind input that waits unread. One system
    call."""
    ping: float = 20.0
    """Between two WebSocket pings of ours. Under most proxies' 60 seconds of idleness."""
    pong: float = 20.0
    """A later pong closes with 1011, and the peer's close frame is not waited for."""
    close: float = 5.0
    """The peer's half of the WebSocket close handshake."""
    linger: float = 5.0
    """Input is discarded for so long after an early answer (RFC 9112 §9.6)."""
    drain: float = 30.0
    """From shutdown to the abort of what is still running."""

    def __post_init__(self) -> None:
        check_each(self, 0.001, 86_400.0 * 365, (int, float))


@dataclass(frozen=True, kw_only=True, slots=True)
class Deflate:
    """WebSocket compression: permessage-deflate (RFC 7692), for clients that offer it.

    The windows are powers of two, in bits. With the defaults a session costs 32 KiB to compress and
    12 KiB to read, each from its first compressed message on. With 15 bits and a memory level of 8
    it would cost 256 and 44. A ConfigError that names the field, the value and the bound is raised
    for a value out of its bounds.
    """

    enabled: bool = True
    """Accept compression. Every browser offers it."""
    server_no_context_takeover: bool = False
    """Compress each message by itself: no memory between two, and larger messages."""
    client_no_context_takeover: bool = False
    """Ask the client to compress each message by itself."""
    server_max_window_bits: int = 12
    """How far back our messages may refer, unless the client asks for less. As `websockets`."""
    client_max_window_bits: int = 12
    """What is asked of a client that can limit its window. Any other is read with 15."""
    level: int = 3
    """The level of zlib, 1 to 9. Above 4 it takes much more time for little."""
    memory_level: int = 5
    """Memory level of zlib, 1 to 9: 2 ** (level + 9) bytes to compress. As `websockets`."""
    threshold: int = 128
    """Smaller messages are not compressed, since they gain nothing."""

    def __post_init__(self) -> None:
        for name in ("enabled", "server_no_context_takeover", "client_no_context_takeover"):
            check(self, name, bool)
        # RFC 7692 §7.1.2 allows 8, but zlib cannot write a raw stream with it.
        check(self, "server_max_window_bits", int, 9, 15)
        check(self, "client_max_window_bits", int, 9, 15)
        check(self, "level", int, 1, 9)
        check(self, "memory_level", int, 1, 9)
        check(self, "threshold", int, 1, 1 << 40)
