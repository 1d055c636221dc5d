"""Bridges: rooms, and what is kept about clients, shared by several processes through a broker.

`NatsBridge` is for rooms. `ValkeyBridge` is for rooms, event logs, sessions and rate limits. The
library of a broker is imported when its bridge is made.
"""

from anylane_backends.bridges.nats import NatsBridge
from anylane_backends.bridges.valkey import ValkeyBridge

__all__ = ["NatsBridge", "ValkeyBridge"]
