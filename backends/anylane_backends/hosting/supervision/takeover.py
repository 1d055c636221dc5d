"""Takeover: a new binary takes the listening sockets of the process that has started it.

They are inherited, so clients never find the port closed. The new one tells the old one by a byte
that it accepts, and the old one drains. nginx and gunicorn do it so.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from anylane_backends.hosting.messages import say
from anylane_backends.hosting.supervision.passing import describe_listener, listener_from

_VARIABLE = "_ANYLANE_TAKEOVER"
"""What the new process is told, as JSON. Like systemd's LISTEN_PID it names the process that it is
meant for, so that no child takes it for its own."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a new binary has from the old one.

    predecessor: its process id. listeners: by the address that each was bound for. lead: the
    descriptor of its SharedLead.
    """

    predecessor: int
    listeners: dict[str, list[socket.socket]]
    lead: int
    _tell: int

    def finish(self) -> None:
        """Tell the old one that this one accepts, so that it drains."""
        try:
            os.write(self._tell, b"r")
        except OSError:  # It has ended by itself.
            pass
        os.close(self._tell)


def take_over(environ: MutableMapping[str, str]) -> Takeover | None:
    """Return what an old process has handed over to this one, None if this is a start like any
    other. The variable is removed, so that children do not take the descriptors for theirs."""
    text = environ.pop(_VARIABLE, "")
    if not text:
        return None
    told = json.loads(text)
    if told["for"] != os.getpid():
        return None
    listeners: dict[str, list[socket.socket]] = {}
    for each in told["listeners"]:
        listeners.setdefault(each["address"], []).append(listener_from(each))
    for descriptor in (told["tell"], told["lead"]):
        os.set_inheritable(descriptor, False)
    return Takeover(told["from"], listeners, told["lead"], told["tell"])


def hand_over(
    listeners: Sequence[socket.socket],
    *,
    lead: int,
    tell: int,
    environ: Mapping[str, str],
    inherited: int,
) -> NoReturn:
    """Become a new process of the same command, which takes over. Call this in a child.

    tell: where it writes a byte once it accepts. environ: what this process was started with.
    inherited: how many sockets systemd had passed to it.
    """
    told = {
        "for": os.getpid(),
        "from": os.getppid(),
        "listeners": [describe_listener(each) for each in listeners],
        "lead": lead,
        "tell": tell,
    }
    for descriptor in (tell, lead, *(each.fileno() for each in listeners)):
        os.set_inheritable(descriptor, True)
    own = str(os.getpid())
    fresh = {**environ, _VARIABLE: json.dumps(told)}
    if inherited:
        fresh |= {"LISTEN_PID": own, "LISTEN_FDS": str(inherited)}
    if "WATCHDOG_PID" in fresh:
        fresh["WATCHDOG_PID"] = own
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], fresh)  # noqa: S606  # our own command
    except OSError as exc:
        say(f"anylane: cannot start {sys.executable}: {exc.strerror}", error=True)
        sys.exit(3)
