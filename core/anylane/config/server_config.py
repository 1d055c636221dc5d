"""The settings of a server: frozen, keyword-only, checked when they are built.

Each default has its reason beside it; the command, its help and docs/configuration.md show the same
text. Sizes are bytes, times are seconds. Nothing here opens a file or a socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self, Unpack

from anylane.config.addresses import Address, Inherited, Tcp, Unix, parse_address
from anylane.config.checks import check
from anylane.config.default_headers import checked_headers
from anylane.config.limits import Deflate, Limits, Timeouts
from anylane.config.web_origin import web_origin
from anylane.errors import ConfigError

if TYPE_CHECKING:
    from os import PathLike

    from anylane.config.server_settings import ServerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """Every setting of one server.

    Building one raises ConfigError for a setting that is out of its bounds; the message names the
    field, the value and the bound. The settings of TLS are checked as far as that needs no file; a
    certificate that cannot be read is an error at startup.
    """

    host: str = "127.0.0.1"
    """Address to bind. Only this machine unless you say otherwise."""
    port: int = 8000
    """Port to bind. 0 takes any free port."""
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
    """TCP_NODELAY: responses are written whole, so waiting for more only adds latency."""
    ttl: int | None = None
    """IP time to live (v6: hop limit) of what is sent. None leaves it to the system."""
    linger: int | None = None
    """SO_LINGER: None lets the kernel send the rest; 0 resets instead and drops it."""
    http_buffer_size: int | None = None
    """Bytes of one read from a socket that speaks HTTP. None leaves it to the backend."""
    ws_buffer_size: int | None = None
    """Bytes of one read from a socket that speaks WebSocket. None leaves it to the backend."""
    max_connections: int = 10_000
    """Open connections. For one more the one idle longest is closed in order."""
    max_connections_per_address: int | None = None
    """Open connections of one IPv4 address or IPv6 /64; more are refused. None sets no bound:
    offices and mobile networks share one. Believed proxies and unix sockets have none."""
    max_connections_per_network: int | None = None
    """The same for an IPv4 /24 or IPv6 /48, against a client with many addresses."""
    when_full: str = "wait"
    """When none is idle: "wait" leaves newcomers in the backlog, so that they are served a moment
    later; "refuse" answers 503 with Retry-After, for a balancer in front."""
    max_threads: int = 16
    """Threads for `def` handlers, the workers of the threads lane; as many for background work, and
    on threads as many to answer in the place of those that are stuck."""
    request_timeout: float = 30.0
    """A handler without a response after so long is cancelled natively, and 503 is sent, also while
    it blocks its thread, unless its route has a `timeout`. Each piece of a body that the handler
    keeps up with begins it anew; `limits.body_rate` bounds those."""
    eager: bool = True
    """Run handlers at once where the loop can (asyncio; starting them: Python 3.12 and later)."""
    express: bool = True
    """Read plain requests and frames directly. False leaves every byte to h11 and wsproto."""
    headers: tuple[tuple[str, str], ...] = field(default=(), metadata={"metavar": "NAME:VALUE"})
    """Header lines of every answer that does not set them itself, bare ones and refusals too."""
    cors_origins: tuple[str, ...] = field(default=(), metadata={"metavar": "ORIGIN"})
    """Pages whose scripts may read the answers, such as "https://app.example.com", or "*" for all:
    the part CORS with its defaults around the whole app. None unless you name some."""
    compression: bool = False
    """Compress bodies in zstd, br or gzip, as the client likes: the part Compression with its
    defaults around the whole app. Off, because a proxy in front often does it already, and because
    of BREACH: read docs/parts/compression.md where a page holds a secret."""
    root_path: str = ""
    """The prefix that a proxy in front takes off, such as "/api": addresses that answers name begin
    with it. "forwarded" takes it from X-Forwarded-Prefix of a believed proxy, with `proxy_headers`;
    that is not the default, because most proxies pass a client's own on."""
    proxy_headers: bool = False
    """Take client and scheme from X-Forwarded-For and X-Forwarded-Proto of a proxy in front."""
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1", "::1")
    """The proxies that are believed: addresses, networks, "unix" for all of a unix socket, or "*"
    for every peer. What any other peer writes there is ignored."""
    proxy_protocol: bool = False
    """Each connection begins with a header of the PROXY protocol, version 1 or 2, which names the
    client. It is believed from `forwarded_allow_ips`; any other peer, and one that sends none, is
    closed: a port speaks it or does not."""
    ssl_certfile: str | None = None
    """PEM file with the certificate and its chain. With it the server speaks TLS, and only TLS."""
    ssl_keyfile: str | None = None
    """PEM file with the private key. Without it the key is in `ssl_certfile`."""
    ssl_keyfile_password: str | None = field(default=None, repr=False)
    """Password of an encrypted key. No terminal is asked for it: servers start without one."""
    ssl_ca_certs: str | None = None
    """PEM file with the authorities whose client certificates are accepted."""
    ssl_cert_reqs: str = "none"
    """Client certificates (mTLS): "none" asks for none, "optional" and "required" do."""
    ssl_ciphers: str | None = None
    """OpenSSL's cipher list for TLS 1.2. Python's own default is a good one."""
    ssl_min_version: str = "TLSv1.2"
    """Oldest TLS version accepted, "TLSv1.2" or "TLSv1.3". RFC 8996 forbids what is older."""
    limits: Limits = field(default_factory=Limits)
    """The bound of every buffer."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    """The deadline of every state."""
    deflate: Deflate = field(default_factory=Deflate)
    """The compression of WebSocket messages."""

    def __post_init__(self) -> None:
        check(self, "host", str)
        check(self, "port", int, 0, 65_535)
        check(self, "uds", (str, type(None)))
        check(self, "uds_mode", int, 0, 0o777)
        check(self, "fd", (int, type(None)), 0, 1 << 31)
        check(self, "ttl", (int, type(None)), 1, 255)
        check(self, "linger", (int, type(None)))
        if self.linger:
            raise ConfigError(
                f"ServerConfig.linger is {self.linger!r}; expected 0 (reset) or None: with a time "
                "close() would block every connection of its loop; see timeouts.linger"
            )
        # A connection is fed at most 256 KiB at once; under 1 KiB each head costs several reads.
        check(self, "http_buffer_size", (int, type(None)), 1024, 256 * 1024)
        check(self, "ws_buffer_size", (int, type(None)), 1024, 256 * 1024)
        _check_addresses(self)
        check(self, "backlog", int, 1, 65_535)
        check(self, "nodelay", bool)
        check(self, "max_connections", int, 1, 10_000_000)
        check(self, "max_connections_per_address", (int, type(None)), 1, 10_000_000)
        check(self, "max_connections_per_network", (int, type(None)), 1, 10_000_000)
        if self.when_full not in ("wait", "refuse"):
            raise ConfigError(
                f"ServerConfig.when_full is {self.when_full!r}; expected 'wait' or 'refuse'"
            )
        check(self, "max_threads", int, 1, 10_000)
        check(self, "request_timeout", (int, float), 0.001, 86_400.0 * 365)
        check(self, "eager", bool)
        check(self, "express", bool)
        _check_cors(self)
        check(self, "compression", bool)
        check(self, "proxy_headers", bool)
        check(self, "proxy_protocol", bool)
        object.__setattr__(self, "headers", checked_headers(self.headers))
        _check_proxies(self)
        _check_root_path(self)
        _check_tls(self)
        check(self, "limits", Limits)
        check(self, "timeouts", Timeouts)
        check(self, "deflate", Deflate)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses to listen on: those of `uds`, `fd` and `bind` together.

        Without any of the three it is host and port.
        """
        found = [parse_address(each) for each in self.bind]
        if self.uds is not None:
            found.append(Unix(self.uds))
        if self.fd is not None:
            found.append(Inherited(self.fd))
        return tuple(found) or (Tcp(self.host, self.port),)

    @property
    def asks_for_parts(self) -> bool:
        """Whether a setting installs a ready-made part (`anylane.middleware.from_settings`)."""
        return bool(self.cors_origins) or self.compression

    @classmethod
    def strict(cls, **overrides: Unpack[ServerSettings]) -> Self:
        """Return the settings for the open internet and small requests.

        overrides: settings by keyword, as ServerConfig takes them. Raises ConfigError as it does.
        """
        settings: ServerSettings = {**STRICT, **overrides}
        return cls(**settings)

    @classmethod
    def relaxed(cls, **overrides: Unpack[ServerSettings]) -> Self:
        """Return the settings for known clients with large or slow requests.

        overrides: settings by keyword, as ServerConfig takes them. Raises ConfigError as it does.
        """
        settings: ServerSettings = {**RELAXED, **overrides}
        return cls(**settings)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """Return the settings of a TOML or JSON file.

        `limits`, `timeouts` and `deflate` are tables in it. A `run` table belongs to the `anylane`
        command and is ignored. Raises ConfigError if the file cannot be read, if a key does not
        exist, and if a value is out of its bounds.

        path: ends in .toml or .json.
        """
        from anylane.config.loading import build, read_file

        source = read_file(path, cls)
        return build(cls, source, parts=[(str(path), source)])

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, prefix: str = "ANYLANE_") -> Self:
        """Return the settings of environment variables such as ANYLANE_PORT, ANYLANE_LIMITS_BODY.

        The `anylane` command's own variables, such as ANYLANE_BACKEND, are ignored. Raises
        ConfigError for any other variable with the prefix that names no setting, and for a value
        out of its bounds.

        environ: the variables. None stands for `os.environ`.
        prefix: how their names begin.
        """
        from anylane.config.loading import build, read_environment

        source = read_environment(cls, environ, prefix)
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


def _check_cors(config: ServerConfig) -> None:
    origins: Any = config.cors_origins
    if not isinstance(origins, tuple) or not all(isinstance(each, str) for each in origins):
        raise ConfigError(
            f"ServerConfig.cors_origins is {origins!r}; expected a tuple of origins, such as "
            '("https://app.example.com",)'
        )
    try:
        for each in origins:
            web_origin(each)
    except ValueError as exc:
        raise ConfigError(f"ServerConfig.cors_origins has {exc}") from None


def _check_proxies(config: ServerConfig) -> None:
    allowed: Any = config.forwarded_allow_ips
    if allowed == ServerConfig.__dataclass_fields__["forwarded_allow_ips"].default:
        return
    if not isinstance(allowed, tuple) or not all(isinstance(each, str) for each in allowed):
        raise ConfigError(
            f"ServerConfig.forwarded_allow_ips is {allowed!r}; expected a tuple of addresses and "
            'networks, such as ("127.0.0.1", "10.0.0.0/8")'
        )
    from anylane.config.networks import Networks

    try:
        Networks(allowed)
    except ValueError as exc:
        raise ConfigError(f"ServerConfig.forwarded_allow_ips has {exc}") from None


def _check_root_path(config: ServerConfig) -> None:
    given: Any = config.root_path
    if given == "":
        return
    check(config, "root_path", str)
    from anylane.config.root_path import FORWARDED, root_path

    if given == FORWARDED:
        if not config.proxy_headers:
            raise ConfigError(
                "ServerConfig.root_path is 'forwarded' and proxy_headers is off; no proxy is "
                "believed then"
            )
        return
    try:
        object.__setattr__(config, "root_path", root_path(given))
    except ValueError as exc:
        raise ConfigError(f"ServerConfig.root_path is {exc}; or 'forwarded'") from None


def _check_tls(config: ServerConfig) -> None:
    """Check what can be checked without reading the files. The rest is an error at startup."""
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


STRICT: ServerSettings = {
    "max_connections": 1000,
    "request_timeout": 10.0,
    "limits": Limits(
        header_field=4 * 1024,
        header_section=16 * 1024,
        header_count=64,
        body=256 * 1024,
        message=64 * 1024,
    ),
    "timeouts": Timeouts(
        tls_handshake=5.0,
        head=5.0,
        body=10.0,
        keep_alive=5.0,
        write_stall=10.0,
        pong=10.0,
        linger=2.0,
        drain=10.0,
    ),
}
"""What `ServerConfig.strict` sets: little memory and patience, enough for a page or an API's
JSON."""

RELAXED: ServerSettings = {
    "max_connections": 100_000,
    "request_timeout": 300.0,
    "limits": Limits(
        target=64 * 1024,
        header_field=64 * 1024,
        header_section=256 * 1024,
        header_count=1000,
        body=64 * 1024 * 1024,
        message=16 * 1024 * 1024,
    ),
    "timeouts": Timeouts(
        head=60.0, body=120.0, keep_alive=75.0, write_stall=120.0, pong=60.0, drain=60.0
    ),
}
"""What `ServerConfig.relaxed` sets: for uploads, reports that take minutes, and slow links. nginx
keeps idle connections for 75 seconds too."""
