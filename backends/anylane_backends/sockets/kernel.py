"""What the kernel knows of a connection and does not report by itself.

Each is a question about a descriptor, which costs a system call and changes nothing. A kernel that
does not tell, or a socket that is closed, gives the answer that lets everything go on.
"""

from __future__ import annotations

import select
from array import array
from fcntl import ioctl
from termios import FIONREAD, TIOCOUTQ

_GONE = select.POLLERR | select.POLLHUP | getattr(select, "POLLRDHUP", 0)


def arrived(descriptor: int) -> bool:
    """Return whether bytes of the peer wait to be read. The end of input alone is none."""
    return _ask(descriptor, FIONREAD) > 0


def hung_up(descriptor: int) -> bool:
    """Return whether the peer has ended its side, or the connection is broken, even if bytes that
    were not read yet are in front of that (poll(2), POLLRDHUP)."""
    if descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, _GONE)
    return bool(poll.poll(0))


def broken(descriptor: int) -> bool:
    """Return whether the connection was reset or has failed. A unix socket whose peer has closed is
    broken once everything was read."""
    if descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)  # POLLERR and POLLHUP are always reported
    events = sum(event for _, event in poll.poll(0))
    return bool(events & select.POLLERR or (events & select.POLLHUP and not arrived(descriptor)))


def unacknowledged(descriptor: int) -> int:
    """Return how many bytes that the kernel has taken the peer has not acknowledged (tcp(7),
    SIOCOUTQ)."""
    return _ask(descriptor, TIOCOUTQ)


def _ask(descriptor: int, request: int) -> int:
    """Return the number that an ioctl gives, 0 if there is none."""
    if descriptor < 0:
        return 0
    number = array("i", [0])
    try:
        ioctl(descriptor, request, number, True)  # the array is written to
    except OSError:
        return 0
    return number[0]
