"""Tier 0: sans-IO. Bytes and time in; exchanges, bytes and one deadline out.

Nothing below here may be `async`, read a clock, draw a random number, or do I/O.
"""

from anylane.protocol.any_connection import AnyConnection
from anylane.protocol.connection import Connection
from anylane.protocol.exchange import Exchange, Interrupt
from anylane.protocol.interfaces import Closing
from anylane.protocol.peer import ProxyInfo, TlsInfo
from anylane.protocol.request_head import RequestHead
from anylane.protocol.timers import Alarm, Timer
from anylane.protocol.websocket.session import WebSocketProtocol

__all__ = [
    "Alarm",
    "AnyConnection",
    "Closing",
    "Connection",
    "Exchange",
    "Interrupt",
    "ProxyInfo",
    "RequestHead",
    "Timer",
    "TlsInfo",
    "WebSocketProtocol",
]
