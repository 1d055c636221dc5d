"""Phases: the way of a WebSocket session towards its end, as a table (RFC 6455 §7).

A pair that is not in it is a bug of ours, and raises KeyError at once. The diagram of the docs is
drawn from it.
"""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """Where the closing handshake is (RFC 6455 §7)."""

    OPEN = auto()
    ENDING = auto()
    """The peer has closed or broken a rule. What it sent before that is being answered."""
    CLOSING = auto()
    """Our close frame is out, and the peer's is awaited."""
    CLOSED = auto()


class PhaseEvent(Enum):
    """What moves a session towards its end."""

    PEER_ENDS = auto()
    WE_CLOSE = auto()
    LOST = auto()


PHASES: dict[Phase, dict[PhaseEvent, Phase]] = {
    Phase.OPEN: {
        PhaseEvent.PEER_ENDS: Phase.ENDING,
        PhaseEvent.WE_CLOSE: Phase.CLOSING,
        PhaseEvent.LOST: Phase.CLOSED,
    },
    Phase.ENDING: {
        PhaseEvent.WE_CLOSE: Phase.CLOSED,
        PhaseEvent.LOST: Phase.CLOSED,
    },
    Phase.CLOSING: {
        PhaseEvent.PEER_ENDS: Phase.CLOSED,
        PhaseEvent.LOST: Phase.CLOSED,
    },
    Phase.CLOSED: {
        PhaseEvent.LOST: Phase.CLOSED,
    },
}
