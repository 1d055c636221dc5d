"""The settings of a server: frozen, keyword-only, checked when built.

Each default has its reason beside it. Sizes are bytes, times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from anylane.addresses import Address, Inherited, Tcp, Unix, parse_address
from anylane.errors import AnylaneError

if TYPE_CHECKING:
    from os import PathLike


class ConfigError(AnylaneError, ValueError):
    """A setting is out of its bounds; the message names field, value and bound."""


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
        _check_each(self, 1, 1 << 40, int)
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
        _check_each(self, 0.001, 86_400.0 * 365, (int, float))


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
            _check(self, name, bool)
        # RFC 7692 §7.1.2 allows 8, but zlib cannot write a raw stream with it.
        _check(self, "server_max_window_bits", int, 9, 15)
        _check(self, "client_max_window_bits", int, 9, 15)
        _check(self, "level", int, 1, 9)
        _check(self, "memory_level", int, 1, 9)
        _check(self, "threshold", int, 1, 1 << 40)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """How to serve. Raises ConfigError, naming field, value and bound."""

    host: str = "127.0.0.1"
    """Address to bind; only this machine unless you say otherwise."""
    port: int = 8000
    """0 takes any free port."""
    uds: str | None = None
    """Path of a unix socket, instead of host and port."""
    uds_mode: int = 0o660
    """Permissions of unix sockets. A proxy joins the group; all users is for you to ask for."""
    fd: int | None = None
    """An inherited descriptor that listens already, instead of host and port."""
    bind: tuple[str, ...] = ()
    """Several of "host:port", "[v6]:port", "unix:/path", "fd://3", instead of host and port."""
    backlog: int = 2048
    """Pending connections the kernel holds. As uvicorn."""
    nodelay: bool = True
    """TCP_NODELAY: responses are written whole, waiting for more only adds latency."""
    ttl: int | None = None
    """IP time to live (v6: hop limit) of what is sent; None leaves it to the system."""
    linger: int | None = None
    """SO_LINGER: None lets the kernel send the rest; 0 resets instead and drops it."""
    http_buffer_size: int | None = None
    """Bytes of one read from a socket that speaks HTTP; None leaves it to the backend."""
    ws_buffer_size: int | None = None
    """The same once it speaks WebSocket."""
    max_connections: int = 10_000
    """Open connections at which accepting pauses; nobody is dropped."""
    max_threads: int = 16
    """Threads for `def` handlers, and the workers of the threads lane."""
    request_timeout: float = 30.0
    """Handler deadline until its response starts -> 503, cancelled natively."""
    eager: bool = True
    """Run handlers at once where the loop can (asyncio; starting them: Python 3.12 and later)."""
    express: bool = True
    """Read plain requests and frames directly; False leaves every byte to h11 and wsproto."""
    proxy_headers: bool = False
    """Take client and scheme from X-Forwarded-For and X-Forwarded-Proto of a proxy in front."""
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1", "::1")
    """The proxies that are believed: addresses, networks, "unix" for all of a unix socket, or "*"
    for whoever connects; what anybody else writes there is not looked at."""
    ssl_certfile: str | None = None
    """PEM file with the certificate and its chain: with it the server speaks TLS, and only TLS."""
    ssl_keyfile: str | None = None
    """PEM file with the private key; without it the key is in `ssl_certfile`."""
    ssl_keyfile_password: str | None = field(default=None, repr=False)
    """Of an encrypted key. Nobody is asked for it at a terminal: servers start without one."""
    ssl_ca_certs: str | None = None
    """PEM file with the authorities whose client certificates are accepted."""
    ssl_cert_reqs: str = "none"
    """Client certificates: "none" are asked for, "optional" or "required" (mTLS)."""
    ssl_ciphers: str | None = None
    """OpenSSL's cipher list for TLS 1.2; Python's own default is a good one."""
    ssl_min_version: str = "TLSv1.2"
    """Or "TLSv1.3". RFC 8996 forbids what is older."""
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    deflate: Deflate = field(default_factory=Deflate)

    def __post_init__(self) -> None:
        _check(self, "host", str)
        _check(self, "port", int, 0, 65_535)
        _check(self, "uds", (str, type(None)))
        _check(self, "uds_mode", int, 0, 0o777)
        _check(self, "fd", (int, type(None)), 0, 1 << 31)
        _check(self, "ttl", (int, type(None)), 1, 255)
        _check(self, "linger", (int, type(None)))
        if self.linger:
            raise ConfigError(
                f"ServerConfig.linger is {self.linger!r}; expected 0 (reset) or None: with a time "
                "close() would block every connection of its loop; see timeouts.linger"
            )
        # A connection is fed at most 256 KiB at once; under 1 KiB each head costs several reads.
        _check(self, "http_buffer_size", (int, type(None)), 1024, 256 * 1024)
        _check(self, "ws_buffer_size", (int, type(None)), 1024, 256 * 1024)
        _check_addresses(self)
        _check(self, "backlog", int, 1, 65_535)
        _check(self, "nodelay", bool)
        _check(self, "max_connections", int, 1, 10_000_000)
        _check(self, "max_threads", int, 1, 10_000)
        _check(self, "request_timeout", (int, float), 0.001, 86_400.0 * 365)
        _check(self, "eager", bool)
        _check(self, "express", bool)
        _check(self, "proxy_headers", bool)
        _check_proxies(self)
        _check_tls(self)
        _check(self, "limits", Limits)
        _check(self, "timeouts", Timeouts)
        _check(self, "deflate", Deflate)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What to listen on: `uds`, `fd` and `bind` together; host and port when there is none."""
        found = [parse_address(each) for each in self.bind]
        if self.uds is not None:
            found.append(Unix(self.uds))
        if self.fd is not None:
            found.append(Inherited(self.fd))
        return tuple(found) or (Tcp(self.host, self.port),)

    @classmethod
    def strict(cls, **overrides: Any) -> Self:
        """For the open internet and small requests; `overrides` as for ServerConfig."""
        from anylane.presets import STRICT

        return cls(**{**STRICT, **overrides})

    @classmethod
    def relaxed(cls, **overrides: Any) -> Self:
        """For known clients with large or slow requests; `overrides` as for ServerConfig."""
        from anylane.presets import RELAXED

        return cls(**{**RELAXED, **overrides})

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """The settings of a TOML or JSON file; `limits`, `timeouts` and `deflate` are tables in
        it.

        A `run` table is the `anylane` command's and not looked at. Raises ConfigError, also for a
        file that cannot be read and for a key that does not exist.
        """
        from anylane.sources import build, read_file

        source = read_file(path)
        return build(cls, source, parts=[(str(path), source)])

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, prefix: str = "ANYLANE_") -> Self:
        """The settings of environment variables: ANYLANE_PORT, ANYLANE_LIMITS_BODY.

        environ: `os.environ` by default. The `anylane` command's own variables, such as
        ANYLANE_BACKEND, are not looked at; any other unknown one is a ConfigError.
        """
        from anylane.sources import build, read_environment

        source = read_environment(environ, prefix)
        return build(cls, source, parts=[("the environment", source)])


def _check_addresses(config: ServerConfig) -> None:
    bind: Any = config.bind
    if not isinstance(bind, tuple) or not all(isinstance(each, str) for each in bind):
        raise ConfigError(
            f"ServerConfig.bind is {bind!r}; expected a tuple of addresses, such as "
            '("127.0.0.1:8000", "unix:/run/app.sock")'
        )
    if config.uds is not None and not config.uds:
        raise ConfigError("ServerConfig.uds is ''; expected a path")
    try:
        for each in config.bind:
            parse_address(each)
    except ValueError as exc:
        raise ConfigError(f"ServerConfig.bind has {exc}") from None


def _check_proxies(config: ServerConfig) -> None:
    allowed: Any = config.forwarded_allow_ips
    if allowed == ServerConfig.__dataclass_fields__["forwarded_allow_ips"].default:
        return
    if not isinstance(allowed, tuple) or not all(isinstance(each, str) for each in allowed):
        raise ConfigError(
            f"ServerConfig.forwarded_allow_ips is {allowed!r}; expected a tuple of addresses and "
            'networks, such as ("127.0.0.1", "10.0.0.0/8")'
        )
    from anylane.proxies import Proxies

    try:
        Proxies(allowed)
    except ValueError as exc:
        raise ConfigError(f"ServerConfig.forwarded_allow_ips has {exc}") from None


def _check_tls(config: ServerConfig) -> None:
    """What can be seen without reading the files; the rest is a startup error."""
    for name in ("certfile", "keyfile", "keyfile_password", "ca_certs", "ciphers"):
        value = getattr(config, f"ssl_{name}")
        if value is not None and not (isinstance(value, str) and value):
            shown = "empty" if value == "" else repr(value)
            if name == "keyfile_password" and value:
                shown = "not a str"  # Never the secret itself.
            raise ConfigError(f"ServerConfig.ssl_{name} is {shown}; expected a str or None")
    for name, choices in (
        ("ssl_cert_reqs", ("none", "optional", "required")),
        ("ssl_min_version", ("TLSv1.2", "TLSv1.3")),
    ):
        value = getattr(config, name)
        if value not in choices:
            expected = " or ".join(map(repr, choices))
            raise ConfigError(f"ServerConfig.{name} is {value!r}; expected {expected}")
    if config.ssl_certfile is None:
        for each in fields(config):
            if each.name.startswith("ssl_") and getattr(config, each.name) != each.default:
                raise ConfigError(
                    f"ServerConfig.{each.name} is set, but ssl_certfile is not; "
                    "without a certificate there is no TLS"
                )
    if (config.ssl_ca_certs is None) is not (config.ssl_cert_reqs == "none"):
        raise ConfigError(
            f"ServerConfig.ssl_ca_certs is {config.ssl_ca_certs!r} and ssl_cert_reqs is "
            f"{config.ssl_cert_reqs!r}; client certificates need both"
        )


def _check_each(
    config: Limits | Timeouts, low: float, high: float, kind: type | tuple[type, ...]
) -> None:
    for each in fields(config):
        _check(config, each.name, kind, low, high)


def _check(
    config: object,
    name: str,
    kind: type | tuple[type, ...],
    low: float | None = None,
    high: float | None = None,
) -> None:
    value: Any = getattr(config, name)
    where = f"{type(config).__name__}.{name}"
    # bool is an int to isinstance, but `port=True` is a mistake.
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(_NAMES.get(each, each.__name__) for each in kinds)
        raise ConfigError(f"{where} is {value!r}; expected {expected}")
    if low is not None and high is not None and value is not None and not low <= value <= high:
        if name == "uds_mode":
            raise ConfigError(f"{where} is {value!r}; expected 0 to 0o777, in octal as in 0o660")
        raise ConfigError(f"{where} is {value!r}; expected {_figure(low)} to {_figure(high)}")


def _figure(bound: float) -> str:
    """In all its digits: 1e+06 is hard to compare with what was written."""
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"


_NAMES: Mapping[type, str] = {type(None): "None"}
