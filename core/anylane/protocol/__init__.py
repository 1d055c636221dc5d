"""Tier 0: sans-IO. Bytes and time in; exchanges, bytes and one deadline out.

Nothing below here may be `async`, read a clock, draw a random number, or do I/O.
"""

from anylane.protocol.any_connection import AnyConnection
from anylane.protocol.closing import Closing
from anylane.protocol.connection import Connection
from anylane.protocol.exchange import Exchange, Interrupt
from anylane.protocol.head import RequestHead
from anylane.protocol.timers import Alarm, Timer
from anylane.protocol.tls_info import TlsInfo
from anylane.protocol.websocket import WebSocketProtocol

__all__ = [
    "Alarm",
    "AnyConnection",
    "Closing",
    "Connection",
    "Exchange",
    "Interrupt",
    "RequestHead",
    "Timer",
    "TlsInfo",
    "WebSocketProtocol",
]
