"""What the kernel knows of a connection and does not report by itself.

Each is a question about a descriptor, which costs a system call and changes nothing. A kernel that
does not tell, or a socket that is closed, gives the answer that lets everything go on. Linux
answers all of them; what other systems cannot be asked is looked for by peeking at the input.
"""

from __future__ import annotations

import select
import socket
from array import array
from contextlib import closing
from importlib import import_module
from typing import Any


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


_fcntl, _termios = _module("fcntl"), _module("termios")  # None on Windows.
_select: Any = select  # What it has differs.
_HAS_POLL = hasattr(select, "poll")  # Not on Windows.
_HAS_KQUEUE = hasattr(select, "kqueue")  # On macOS and the BSDs.
_ENDED = getattr(select, "POLLRDHUP", 0)  # On Linux.


def arrived(descriptor: int) -> bool:
    """Return whether bytes of the peer wait to be read. The end of input alone is none."""
    if _fcntl is None:
        found = _next(descriptor)
        return isinstance(found, bytes) and found != b""
    return _ask(descriptor, _termios.FIONREAD) > 0


def hung_up(descriptor: int) -> bool:
    """Return whether the peer has ended its side, or the connection is broken, even if bytes that
    were not read yet are in front of that (poll(2), POLLRDHUP; kqueue(2), EV_EOF).

    Where the system has neither, it is noticed once nothing is in front of it any more.
    """
    if descriptor < 0:
        return False
    if _ENDED:
        return bool(_poll(descriptor, _ENDED))
    if _HAS_KQUEUE:
        return _is_at_end(descriptor)
    return broken(descriptor) or _next(descriptor) == b""


def broken(descriptor: int) -> bool:
    """Return whether the connection was reset or has failed. A unix socket whose peer has closed is
    broken once everything was read."""
    if descriptor < 0:
        return False
    if not _HAS_POLL:
        return isinstance(_next(descriptor), OSError)
    events = _poll(descriptor, 0)
    return bool(events & select.POLLERR or (events & select.POLLHUP and not arrived(descriptor)))


def unacknowledged(descriptor: int) -> int:
    """Return how many bytes that the kernel has taken the peer has not acknowledged (tcp(7),
    SIOCOUTQ). 0 where the system does not tell: then what was taken counts as delivered."""
    return 0 if _fcntl is None else _ask(descriptor, _termios.TIOCOUTQ)


def _poll(descriptor: int, wanted: int) -> int:
    """Return the events at a descriptor: those that are wanted, POLLERR and POLLHUP."""
    poll = select.poll()
    poll.register(descriptor, wanted)  # The other two are always reported.
    return sum(event for _, event in poll.poll(0))


def _is_at_end(descriptor: int) -> bool:
    """Ask a kqueue, which tells of the end with the first byte that can be read."""
    with closing(_select.kqueue()) as queue:
        asked = _select.kevent(descriptor, _select.KQ_FILTER_READ, _select.KQ_EV_ADD)
        return any(found.flags & _select.KQ_EV_EOF for found in queue.control([asked], 1, 0))


def _ask(descriptor: int, request: int) -> int:
    """Return the number that an ioctl gives, 0 if there is none."""
    if descriptor < 0:
        return 0
    number = array("i", [0])
    try:
        _fcntl.ioctl(descriptor, request, number, True)  # the array is written to
    except OSError:
        return 0
    return number[0]


def _next(descriptor: int) -> bytes | OSError | None:
    """Return what reading the socket would give: a byte, b"" at the end, the error of a connection
    that is broken, None if there is nothing now or no socket."""
    if descriptor < 0:
        return None
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        return None
    try:
        return sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return None
    except OSError as exc:
        return exc
    finally:
        sock.detach()  # It is another object's to close.
