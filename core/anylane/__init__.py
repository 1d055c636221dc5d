"""anylane: one Python web app, any lane.

The core is sans-IO: importing it loads no event loop, no socket and no thread. A public name is
loaded with its module when it is first used, so `import anylane.protocol` loads no handlers' code,
and only `Server` and `serve`, which do I/O, bring in the backends.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylane import contrib as contrib
    from anylane import lane as lane
    from anylane import middleware as middleware
    from anylane import protocol as protocol
    from anylane import testing as testing
    from anylane.app import App
    from anylane.config.limits import Deflate, Limits, Timeouts
    from anylane.config.server_config import ServerConfig
    from anylane.errors import (
        AnylaneError,
        Cancelled,
        ConfigError,
        Disconnected,
        HTTPError,
        MissingValue,
        RouteError,
        UsageError,
    )
    from anylane.handling.context import Context
    from anylane.http.forms import FormData, Upload
    from anylane.http.headers import Headers
    from anylane.http.request import Request
    from anylane.http.response import Response
    from anylane.lane.life.worker import Worker
    from anylane.realtime.broadcast import Broadcast, Lagged, Subscription
    from anylane.realtime.event_log import EventLog, LoggedEvent
    from anylane.realtime.event_stream import EventStream
    from anylane.realtime.rooms import Rooms
    from anylane.realtime.websocket import WebSocket
    from anylane.routing.hooks import STOP, Stop
    from anylane.serving import Server, serve
    from anylane.typed.dependencies.depends import Depends
    from anylane.typed.sources import Cookie, File, Form, Header, JsonBody, Path, Query, State
    from anylane.typed.status import Status
    from anylane.typed.typed_router import Router

__all__ = [
    "STOP",
    "AnylaneError",
    "App",
    "Broadcast",
    "Cancelled",
    "ConfigError",
    "Context",
    "Cookie",
    "Deflate",
    "Depends",
    "Disconnected",
    "EventLog",
    "EventStream",
    "File",
    "Form",
    "FormData",
    "HTTPError",
    "Header",
    "Headers",
    "JsonBody",
    "Lagged",
    "Limits",
    "LoggedEvent",
    "MissingValue",
    "Path",
    "Query",
    "Request",
    "Response",
    "Rooms",
    "RouteError",
    "Router",
    "Server",
    "ServerConfig",
    "State",
    "Status",
    "Stop",
    "Subscription",
    "Timeouts",
    "Upload",
    "UsageError",
    "WebSocket",
    "Worker",
    "serve",
]
__version__ = "0.1.0"

_HOMES = {
    "STOP": "anylane.routing.hooks",
    "AnylaneError": "anylane.errors",
    "App": "anylane.app",
    "Broadcast": "anylane.realtime.broadcast",
    "Cancelled": "anylane.errors",
    "ConfigError": "anylane.errors",
    "Context": "anylane.handling.context",
    "Deflate": "anylane.config.limits",
    "Disconnected": "anylane.errors",
    "EventLog": "anylane.realtime.event_log",
    "EventStream": "anylane.realtime.event_stream",
    "FormData": "anylane.http.forms",
    "HTTPError": "anylane.errors",
    "MissingValue": "anylane.errors",
    "Headers": "anylane.http.headers",
    "Lagged": "anylane.realtime.broadcast",
    "Limits": "anylane.config.limits",
    "LoggedEvent": "anylane.realtime.event_log",
    "Request": "anylane.http.request",
    "Response": "anylane.http.response",
    "Rooms": "anylane.realtime.rooms",
    "RouteError": "anylane.errors",
    "Router": "anylane.typed.typed_router",
    "Server": "anylane.serving",
    "ServerConfig": "anylane.config.server_config",
    "Stop": "anylane.routing.hooks",
    "Subscription": "anylane.realtime.broadcast",
    "Timeouts": "anylane.config.limits",
    "Upload": "anylane.http.forms",
    "UsageError": "anylane.errors",
    "WebSocket": "anylane.realtime.websocket",
    "Worker": "anylane.lane.life.worker",
    "serve": "anylane.serving",
    "Depends": "anylane.typed.dependencies.depends",
    "Cookie": "anylane.typed.sources",
    "File": "anylane.typed.sources",
    "Form": "anylane.typed.sources",
    "Header": "anylane.typed.sources",
    "JsonBody": "anylane.typed.sources",
    "Path": "anylane.typed.sources",
    "Query": "anylane.typed.sources",
    "State": "anylane.typed.sources",
    "Status": "anylane.typed.status",
}
"""The module of each public name; the same names as in `__all__` and under TYPE_CHECKING."""

_PACKAGES = frozenset({"contrib", "lane", "middleware", "protocol", "testing"})
"""The public packages: `anylane.protocol` works without an import of its own."""


if not TYPE_CHECKING:  # with a `__getattr__`, type checkers would accept any name

    def __getattr__(name: str) -> object:
        """Import what a public name stands for, and keep it here: the next use finds it at once.

        Raises AttributeError for any other name.
        """
        if name in _PACKAGES:
            return import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value

    def __dir__() -> list[str]:
        """Return all names of the module, those too that are not loaded yet."""
        return sorted({*globals(), *__all__, *_PACKAGES})
