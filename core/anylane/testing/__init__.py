"""Testing without sockets, without a loop, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anylane.testing.client import TestClient
from anylane.testing.client_errors import IncompleteResponse, Rejected, Silence, StatusError
from anylane.testing.client_events import ClientEvents
from anylane.testing.client_response import ClientResponse
from anylane.testing.client_websocket import ClientWebSocket
from anylane.testing.event_parser import ServerSentEvent
from anylane.testing.lockstep import Lockstep, LogRecord, World

if TYPE_CHECKING:
    from anylane.testing.httpx_transport import HttpxTransport

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


def __getattr__(name: str) -> Any:
    # Made when it is first asked for: its base classes are httpx's.
    if name == "HttpxTransport":
        from anylane.testing.httpx_transport import transport_class

        globals()[name] = transport_class()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
