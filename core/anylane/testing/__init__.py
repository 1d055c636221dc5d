"""Test an app without sockets, without an event loop, in virtual time.

Nothing here opens a socket or starts a thread, but a TestClient that is given a `backend`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.testing.client.client import TestClient
from anylane.testing.client.errors import IncompleteResponse, Silence
from anylane.testing.client.event_parser import ServerSentEvent
from anylane.testing.client.events import ClientEvents
from anylane.testing.client.response import ClientResponse, Rejected, StatusError
from anylane.testing.client.websocket import ClientWebSocket
from anylane.testing.lockstep import Lockstep
from anylane.testing.world import LogRecord, World

if TYPE_CHECKING:
    from anylane.testing.client.httpx_transport import HttpxTransport

__all__ = [
    "ClientEvents",
    "ClientResponse",
    "ClientWebSocket",
    "HttpxTransport",
    "IncompleteResponse",
    "Lockstep",
    "LogRecord",
    "Rejected",
    "ServerSentEvent",
    "Silence",
    "StatusError",
    "TestClient",
    "World",
]


if not TYPE_CHECKING:  # with a `__getattr__`, type checkers would accept any name

    def __getattr__(name: str) -> object:
        """Return HttpxTransport, made on first use: its base classes are those of httpx.

        Raises ImportError if httpx is not installed, AttributeError for any other name.
        """
        if name != "HttpxTransport":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from anylane.testing.client.httpx_transport import transport_class

        value = globals()[name] = transport_class()
        return value
