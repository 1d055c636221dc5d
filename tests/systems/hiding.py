"""Hide what other systems do not have, so that this one is as poor as they are.

Call `hide` before anything else is imported: what a module has found at its import it keeps. This
module itself imports nothing that looks at the system.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def hide(names: list[str]) -> None:
    """Hide each of these, which are keys of HIDDEN, and those of SYSTEMS in the place of a
    system's name."""
    sys.modules.pop("selectors", None)  # It looks again what there is.
    sys.modules["psutil"] = None  # type: ignore[assignment]  # It was built for this system.
    for name in names:
        for each in SYSTEMS.get(name, (name,)):
            HIDDEN[each]()


def _no(dotted: str) -> Callable[[], None]:
    """Return what deletes names from a module: "os.fork", or several, "os.fork forkpty"."""
    module, _, names = dotted.partition(".")

    def delete() -> None:
        for name in names.split():
            for each in (_IN_C.get(module, module), module if module in _KEPT else None):
                if each is not None and hasattr(found := __import__(each), name):
                    delattr(found, name)
        if module in _IN_C and module not in _KEPT:
            sys.modules.pop(module, None)  # It looks again what there is.

    return delete


# These take names from others, which are written in C.
_IN_C = {"socket": "_socket", "signal": "_signal", "os": "posix"}
_KEPT = {"os"}  # It is imported before anything else can run.


def _no_module(*names: str) -> Callable[[], None]:
    """Return what makes the import of modules fail."""
    return lambda: sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]


def _no_siocoutq() -> None:
    """The ioctl is for terminals alone, as on macOS and the BSDs."""
    import fcntl
    import termios

    real = fcntl.ioctl

    def ioctl(descriptor: Any, request: int, *rest: Any) -> Any:
        if request == termios.TIOCOUTQ:
            raise OSError(25, "Inappropriate ioctl for device")
        return real(descriptor, request, *rest)

    fcntl.ioctl = ioctl


def _no_accept4() -> None:
    """A socket is accepted as the BSDs do it: it does not block if its listener does not, and what
    else it inherits is not known."""
    import os
    import socket

    real = socket.socket._accept  # type: ignore[attr-defined]
    get, put = os.get_blocking, os.set_blocking

    def accept(listener: Any) -> Any:
        descriptor, peer = real(listener)
        put(descriptor, get(listener.fileno()))
        return descriptor, peer

    socket.socket._accept = accept  # type: ignore[attr-defined]
    # The flag of whether options are inherited is found out when this module is imported.
    import_module("anylane")  # What looks at the system's name by itself is loaded before.
    platform, sys.platform = sys.platform, "freebsd14"
    try:
        import_module("anylane_backends.sockets.listening")
    finally:
        sys.platform = platform


def _kqueue_for_poll() -> None:
    """A stand-in for the one question that we ask a kqueue: is the end of input next, or behind
    what was not read yet? What loops wait with stays poll(2)."""
    import select

    from tests.systems import kqueue

    import_module("selectors")  # It must not take this for a kqueue.
    kqueue.ENDED = select.POLLRDHUP
    for name in ("kqueue", "kevent", "KQ_FILTER_READ", "KQ_EV_ADD", "KQ_EV_EOF"):
        setattr(select, name, getattr(kqueue, name))
    del select.POLLRDHUP


def _no_files_of_linux() -> None:
    """There is no /proc and no /sys."""

    def refuse(event: str, arguments: Any) -> None:
        if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith(
            ("/proc/", "/sys/")
        ):
            raise FileNotFoundError(2, "No such file or directory", str(arguments[0]))

    sys.addaudithook(refuse)


def _no_abstract_sockets() -> None:
    """The name of a unix socket is a path."""

    def refuse(event: str, arguments: Any) -> None:
        if event in ("socket.bind", "socket.connect", "socket.sendto") and str(
            arguments[1]
        ).startswith("\0"):
            raise FileNotFoundError(2, "No such file or directory")

    sys.addaudithook(refuse)


def _no_signals_in_loops() -> None:
    """asyncio's loop takes no handlers of signals, as on Windows."""
    import asyncio.unix_events as loops

    for name in ("add_signal_handler", "remove_signal_handler"):
        delattr(loops._UnixSelectorEventLoop, name)


def _no_readers_in_loops() -> None:
    """asyncio's own choice of a loop watches no sockets, as the proactor of Windows."""
    import asyncio

    def add_reader(self: object, *_: object) -> None:
        raise NotImplementedError

    proactor = type("ProactorEventLoop", (asyncio.SelectorEventLoop,), {"add_reader": add_reader})
    asyncio.ProactorEventLoop = proactor  # type: ignore[attr-defined]
    asyncio.DefaultEventLoopPolicy._loop_factory = proactor  # type: ignore[attr-defined]


def _no_removed_names() -> None:
    """What Python 3.14 has removed or warns of is gone, where an application looks for it."""
    import ast
    import asyncio
    import pkgutil
    import typing

    asyncio.new_event_loop().close()  # Until 3.13 asyncio looks its own policy up.
    policies = ("get_event_loop_policy set_event_loop_policy AbstractEventLoopPolicy "
                "DefaultEventLoopPolicy iscoroutinefunction get_child_watcher set_child_watcher "
                "AbstractChildWatcher ThreadedChildWatcher PidfdChildWatcher")  # fmt: skip
    gone: tuple[tuple[Any, str], ...] = (
        (asyncio, policies),
        (ast, "Num Str Bytes NameConstant Ellipsis"),
        (pkgutil, "find_loader get_loader ImpImporter ImpLoader"),
        (typing, "ByteString"),
    )
    for module, names in gone:
        for name in names.split():
            if name in vars(module):
                delattr(module, name)
    for name in ("cgi", "crypt", "imghdr", "imp", "distutils", "pipes", "asyncore", "smtpd", "uu"):
        sys.modules[name] = None  # type: ignore[assignment]


def _no_paths_by_descriptor() -> None:
    """No path is relative to a descriptor, and the sets of `os` say so."""
    import os

    os.supports_dir_fd.clear()
    os.supports_fd.clear()


HIDDEN: dict[str, Callable[[], None]] = {
    "epoll": _no("select.epoll"),
    "poll": _no("select.epoll poll"),
    "POLLRDHUP": _no("select.POLLRDHUP"),
    "POLLRDHUP, and there is kqueue": _kqueue_for_poll,
    "accept4": _no_accept4,
    "SIOCOUTQ": _no_siocoutq,
    "fcntl": _no_module("fcntl", "termios"),
    "TCP_NOTSENT_LOWAT": _no("socket.TCP_NOTSENT_LOWAT"),
    "SO_REUSEPORT": _no("socket.SO_REUSEPORT"),
    "abstract sockets": _no_abstract_sockets,
    "unix sockets": _no("socket.AF_UNIX socketpair CMSG_LEN SCM_RIGHTS SO_PEERCRED"),
    "signals": _no(
        "signal.SIGHUP SIGUSR1 SIGUSR2 SIGTTIN SIGTTOU SIGQUIT SIGCHLD SIGKILL pthread_sigmask"
    ),
    "signals in loops": _no_signals_in_loops,
    "readers in loops": _no_readers_in_loops,
    "fork": _no("os.fork forkpty register_at_fork"),
    "users": _no("os.getuid geteuid setuid getgid getegid setgid setgroups getgrouplist chown"),
    "user database": _no_module("pwd", "grp"),
    "resource": _no_module("resource"),
    "memfd_create": _no("os.memfd_create"),
    "sched_getaffinity": _no("os.sched_getaffinity process_cpu_count"),
    "paths by descriptor": _no_paths_by_descriptor,
    "O_PATH": _no("os.O_PATH"),
    "more of POSIX": _no(
        "os.mkfifo sysconf pread set_blocking getpgid killpg setsid "
        "O_PATH O_NOCTTY O_NONBLOCK O_CLOEXEC O_DIRECTORY O_NOFOLLOW",
    ),
    "files of Linux": _no_files_of_linux,
    "what Python 3.14 has removed": _no_removed_names,
}
"""What is hidden -> how."""

SYSTEMS: dict[str, tuple[str, ...]] = {
    "macOS": (
        "epoll",
        "POLLRDHUP, and there is kqueue",
        "accept4",
        "SIOCOUTQ",
        "abstract sockets",
        "memfd_create",
        "sched_getaffinity",
        "O_PATH",
        "files of Linux",
    ),
    "Windows": (
        "poll",
        "POLLRDHUP",
        "accept4",
        "fcntl",
        "TCP_NOTSENT_LOWAT",
        "SO_REUSEPORT",
        "unix sockets",
        "signals",
        "signals in loops",
        "readers in loops",
        "fork",
        "users",
        "user database",
        "resource",
        "memfd_create",
        "sched_getaffinity",
        "paths by descriptor",
        "more of POSIX",
        "files of Linux",
    ),
}
"""A system -> what it does not have. They are as poor as that system is, and no more like it:
kqueue and the proactor of Windows are not here."""
