"""Passing listeners on, to another process or interpreter, by their descriptors."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from anylane_backends.sockets.listening import Listener, UnixListener


def describe_listener(listener: socket.socket) -> dict[str, Any]:
    """Return what `listener_from` needs, in values that JSON has, too."""
    made = listener.made if isinstance(listener, UnixListener) else None
    assert isinstance(listener, Listener)
    return {
        "fd": listener.fileno(),
        "address": listener.address,
        "options": listener.gives_options,
        "made": made and [str(made[0]), *made[1:]],
    }


def listener_from(told: dict[str, Any]) -> Listener:
    """Return the listener of a description, with its descriptor. No child inherits it."""
    os.set_inheritable(told["fd"], False)
    listener: Listener
    if told["made"] is None:
        listener = Listener(fileno=told["fd"])
    else:
        path, device, inode = told["made"]
        listener = UnixListener(fileno=told["fd"])
        listener.made = (Path(path), device, inode)
    listener.gives_options = told["options"]
    listener.address = told["address"]
    listener.setblocking(False)
    return listener
