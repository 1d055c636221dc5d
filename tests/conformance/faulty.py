"""Backends with one fault each. The suite has to show each of them."""

from __future__ import annotations

import socket
import threading

from anylane.lane.server_core import ServerCore
from anylane_backends.threads.lane import ThreadsBackend

held: list[socket.socket] = []
"""The connections of failed servers, open as their loops would hold them."""


class FailsBackend(ThreadsBackend):
    """Its `run` raises at the first connection."""

    def run(self, server: ServerCore) -> None:
        server.ready()
        (listener,) = server.listeners
        listener.setblocking(True)
        held.append(listener.accept()[0])
        raise RuntimeError("the lane has fallen over")


class NeverReadyBackend(ThreadsBackend):
    """Its `run` neither accepts nor returns."""

    def run(self, server: ServerCore) -> None:
        threading.Event().wait()


class NeverEndsBackend(ThreadsBackend):
    """It serves as it should, but its `run` does not return, and leaves a thread that is waited
    for at the end of the interpreter."""

    def run(self, server: ServerCore) -> None:
        super().run(server)
        threading.Thread(target=threading.Event().wait, daemon=False).start()
        threading.Event().wait()
