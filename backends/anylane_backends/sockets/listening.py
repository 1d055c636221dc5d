"""Listening sockets: making them, taking them over, closing them. Every socket is non-blocking."""

from __future__ import annotations

import errno
import os
import platform
import socket
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from anylane.config.addresses import Address, Inherited, Tcp, Unix
from anylane.config.server_config import ServerConfig
from anylane.errors import AnylaneError
from anylane_backends.sockets.sockets import UNIX
from anylane_backends.sockets.spread import Share

_INHERITED = sys.platform == "linux"
"""Whether an accepted socket has its options from its listener, which saves a system call or two
for each connection. Linux copies them (`tcp_create_openreq_child`). Elsewhere each is told."""


_ADDRESS: int = getattr(socket, "SO_EXCLUSIVEADDRUSE", getattr(socket, "SO_REUSEADDR", 0))
"""The option that lets a server start again on the port that it has just left, and keeps others
off. On Windows SO_REUSEADDR would let any process take the port of a server that runs."""


_ATTEMPTS = 10
"""How often a free port is looked for that all addresses of a name have free."""


class BindError(AnylaneError):
    """The address cannot be served; the message says which, why and what to do."""


def bind(
    config: ServerConfig, kept: Mapping[str, list[socket.socket]] = MappingProxyType({})
) -> list[socket.socket]:
    """Return a listening socket for each of `config.addresses`; several where a name has several
    addresses.

    kept: by the address as it is written, those that this process has been given by the one whose
    place it takes; those that are not wanted any more are closed. Raise BindError if an address
    cannot be had. Then none is left open.
    """
    listeners: list[socket.socket] = []
    left = dict(kept)
    try:
        for address in config.addresses:
            before = len(listeners)
            try:
                if (found := left.pop(str(address), None)) is not None:
                    listeners += found
                    _renew(found, config)
                else:
                    _bind_one(address, config, listeners)
                for each in listeners[before:]:
                    assert isinstance(each, Listener)
                    each.address = str(address)
            except OSError as exc:
                why = exc.strerror or exc
                raise BindError(f"cannot listen on {address}: {why}{_hint(address, exc)}") from None
    except BaseException:
        close(listeners, unlink=not kept)  # The files are those of the other process still.
        raise
    for unwanted in left.values():
        close(unwanted, unlink=False)
    return listeners


def _renew(listeners: list[socket.socket], config: ServerConfig) -> None:
    """Tell listeners that are taken over what those that are bound now are told."""
    for listener in listeners:
        listener.listen(config.backlog)
        if isinstance(listener, Listener) and listener.gives_options:
            for option, value in tcp_options(config):
                listener.setsockopt(socket.IPPROTO_TCP, option, value)
        if isinstance(listener, UnixListener) and listener.made is not None:
            listener.made[0].chmod(config.uds_mode)


def close(listeners: list[socket.socket], *, unlink: bool) -> None:
    """Close listeners. unlink: remove the files of their unix sockets, too, unless a file has been
    put in the place of one."""
    for listener in listeners:
        if listener.fileno() < 0:
            continue
        if unlink and isinstance(listener, UnixListener):
            listener.unlink()
        listener.close()


def tcp_options(config: ServerConfig) -> list[tuple[int, int]]:
    """Return what every TCP socket is told, as options of IPPROTO_TCP and their values.

    TCP_NOTSENT_LOWAT bounds what the kernel holds beyond what is on the wire (tcp(7)). Without it a
    slow reader costs up to 4 MB there, and its progress shows only when a third of that is free.
    """
    options = [(socket.TCP_NODELAY, int(config.nodelay))]
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        mark = min(config.limits.outbound_high, (1 << 31) - 1)
        options.append((socket.TCP_NOTSENT_LOWAT, mark))
    return options


class Listener(socket.socket):
    """A socket that remembers what `accept` asks it each time, which saves 1 us of 6.

    gives_options: whether the sockets that it accepts have their `tcp_options`. share: this
    process's among those that accept from it, None if it is alone. address: what it was bound for,
    as it is written in the settings.
    """

    gives_options = False
    share: Share | None = None
    address: str = ""

    @cached_property
    def family(self) -> int:  # type: ignore[override]
        return super().family

    @cached_property
    def type(self) -> int:  # type: ignore[override]
        return super().type


class UnixListener(Listener):
    """A unix socket that knows its file.

    made: the path of the file, its device and its inode; None if it was not made here.
    """

    made: tuple[Path, int, int] | None = None

    def unlink(self) -> None:
        if self.made is None:
            return
        path, device, inode = self.made
        with suppress(OSError):
            found = path.stat()
            if (found.st_dev, found.st_ino) == (device, inode):
                path.unlink()


def _bind_one(address: Address, config: ServerConfig, listeners: list[socket.socket]) -> None:
    match address:
        case Tcp():
            _bind_tcp(address, config, listeners)
        case Unix():
            _bind_unix(address, config, listeners)
        case Inherited():
            _take_over(address, config, listeners)


def _bind_tcp(address: Tcp, config: ServerConfig, listeners: list[socket.socket]) -> None:
    for attempt in range(_ATTEMPTS):
        bound: list[socket.socket] = []
        try:
            _bind_each(address, config, bound)
        except OSError as exc:
            close(bound, unlink=False)
            # The port was free at one address of the name, and is taken at another.
            if address.port or exc.errno != errno.EADDRINUSE or attempt == _ATTEMPTS - 1:
                raise
        else:
            listeners += bound
            return


def _bind_each(address: Tcp, config: ServerConfig, bound: list[socket.socket]) -> None:
    """Bind every address of a name, all to one port. Pass over a family that is absent: resolvers
    give ::1 where lo has no v6 (Docker's default), and :: on a kernel without it.

    bound: is given the listeners, also those bound before OSError is raised.
    """
    found = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    absent: dict[int, OSError] = {}
    port = address.port
    for family, kind, protocol, _, where in dict.fromkeys(found):
        try:
            listener = _listen(
                Listener(family, kind, protocol), (where[0], port, *where[2:]), config
            )
        except OSError as exc:
            if exc.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
            absent[family] = exc
        else:
            bound.append(listener)
            port = listener.getsockname()[1]
    here = {listener.family for listener in bound}
    for missing, failure in absent.items():
        if not here or missing in here:
            raise failure


def _listen(listener: Listener, where: tuple[Any, ...], config: ServerConfig) -> Listener:
    try:
        listener.setsockopt(socket.SOL_SOCKET, _ADDRESS, 1)
        if listener.family == socket.AF_INET6:
            # Else it would also take the IPv4 port that the next address wants.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if _INHERITED:
            # Before listen(): a client that comes while the server starts has its socket from then
            # on.
            for option, value in tcp_options(config):
                listener.setsockopt(socket.IPPROTO_TCP, option, value)
            listener.gives_options = True
        listener.bind(where)
        listener.listen(config.backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_unix(address: Unix, config: ServerConfig, listeners: list[socket.socket]) -> None:
    if UNIX is None:
        raise BindError(
            f"cannot listen on {address}: Python has no unix sockets on {platform.system()}; "
            "listen on a port instead (--host and --port, host= and port=)"
        )
    path = Path(address.path).absolute()  # The app may change its folder before we unlink.
    _remove_stale(path, UNIX)
    listener = UnixListener(UNIX, socket.SOCK_STREAM)
    listeners.append(listener)
    try:
        listener.bind(str(path))
    except OSError as exc:
        if exc.errno is not None:
            raise
        # Python itself compares the length with the system's `sun_path`, 108 bytes on Linux.
        size = len(os.fsencode(path))
        raise OSError(
            errno.ENAMETOOLONG,
            f"its path {path} has {size} bytes, and a unix socket's about 100 at most",
        ) from None
    found = path.stat()
    listener.made = (path, found.st_dev, found.st_ino)
    # Before listen(): until then no client can connect, whatever the umask has left open.
    path.chmod(config.uds_mode)
    listener.listen(config.backlog)
    listener.setblocking(False)


def _remove_stale(path: Path, family: int) -> None:
    """Remove the file of a server that has ended. Raise OSError if a server listens on it, or if it
    is no socket."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            why = f"it is a symbolic link to {path.readlink()}, which does not exist"
            raise OSError(errno.EEXIST, why) from None
        return
    if not stat.S_ISSOCK(kind):
        raise OSError(errno.EEXIST, "the file exists and is not a socket")
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # A full backlog is EAGAIN: a server listens.
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as exc:
            if exc.errno != errno.EAGAIN:
                raise
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _take_over(address: Inherited, config: ServerConfig, listeners: list[socket.socket]) -> None:
    try:
        os.fstat(address.fd)  # socket() would keep a number that is not open, and close it later.
        listener = Listener(fileno=address.fd)
    except OSError as exc:
        raise OSError(exc.errno, f"descriptor {address.fd}: {exc.strerror}") from None
    if listener.type != socket.SOCK_STREAM:
        listener.detach()
        raise OSError(errno.ESOCKTNOSUPPORT, "it is not a stream socket")
    listeners.append(listener)
    listener.listen(config.backlog)  # Again is harmless, and sets the backlog.
    listener.setblocking(False)
    os.set_inheritable(address.fd, False)


def _hint(address: Address, exc: OSError) -> str:
    match address, exc.errno:
        case Tcp(), errno.EADDRINUSE:
            return "; stop what listens there, or choose another port (--port, port=)"
        case Tcp(port=port), errno.EACCES if port < 1024:
            return "; ports below 1024 are the administrator's: choose another (--port, port=)"
        case Tcp(), errno.EADDRNOTAVAIL:
            return "; this machine has no such address: choose another (--host, host=)"
        case Tcp(), code if isinstance(exc, socket.gaierror) or code is None:
            return "; give a name or number of this machine (--host, host=)"
        case Unix(), errno.EADDRINUSE:
            return "; stop what listens there, or choose another path (--uds, uds=)"
        case Unix(), errno.EEXIST:
            return "; remove it, or choose another path (--uds, uds=)"
        case Unix(), errno.ENAMETOOLONG:
            return "; choose a shorter one (--uds, uds=)"
        case Unix(), _:
            return "; choose a path in a folder that this user may write (--uds, uds=)"
        case Inherited(), _:
            return "; pass a bound stream socket under that number (systemd's begin at 3)"
        case _:
            return ""
