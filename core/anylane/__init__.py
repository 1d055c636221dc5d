"""anylane: one Python web app, any lane.

The core is sans-IO: importing it loads no event loop, no socket and no thread.
"""

from typing import TYPE_CHECKING, Any

from anylane.app import App
from anylane.config.limits import Deflate, Limits, Timeouts
from anylane.config.server_config import ServerConfig
from anylane.errors import (
    AnylaneError,
    ConfigError,
    Disconnected,
    HTTPError,
    RouteError,
    UsageError,
)
from anylane.handling.context import Context
from anylane.http.forms import Form, Upload
from anylane.http.headers import Headers
from anylane.http.request import Request
from anylane.http.response import Response
from anylane.realtime.broadcast import Broadcast, Lagged, Subscription
from anylane.realtime.event_log import EventLog, LoggedEvent
from anylane.realtime.rooms import Rooms
from anylane.realtime.websocket import WebSocket
from anylane.routing.hooks import STOP
from anylane.routing.router import Router

if TYPE_CHECKING:
    from anylane.serving import Server, serve

__all__ = [
    "STOP",
    "AnylaneError",
    "App",
    "Broadcast",
    "ConfigError",
    "Context",
    "Deflate",
    "Disconnected",
    "EventLog",
    "Form",
    "HTTPError",
    "Headers",
    "Lagged",
    "Limits",
    "LoggedEvent",
    "Request",
    "Response",
    "Rooms",
    "RouteError",
    "Router",
    "Server",
    "ServerConfig",
    "Subscription",
    "Timeouts",
    "Upload",
    "UsageError",
    "WebSocket",
    "serve",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # The two that do I/O come with the backends, and only when they are asked for.
    if name in ("Server", "serve"):
        from anylane import serving

        return getattr(serving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
