"""The two state machines of an HTTP/1.1 connection, as tables.

Reading is about the peer's half, writing about ours; neither knows the other. A pair that is not in
a table is a bug of ours, and raises KeyError at once. The diagrams of the docs are drawn from these
tables.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING


class Reading(Enum):
    """What the next byte from the peer is."""

    if not TYPE_CHECKING:
        # Enum's own hash is Python code, and the tables are looked up in all the time.
        __hash__ = object.__hash__

    IDLE = auto()
    """The first of a request."""
    HEAD = auto()
    """More of a request head."""
    BODY = auto()
    """More of a request body that a handler may read."""
    DROP = auto()
    """More of a request body that no handler will read: bounded, then the connection closes."""
    DONE = auto()
    """Pipelined: held until the request before it is answered."""
    SWITCHED = auto()
    """Another protocol's."""
    DISCARD = auto()
    """Thrown away: our side is closed and the connection lingers (RFC 9112 §9.6)."""
    CLOSED = auto()
    """Impossible: the input has ended."""


class ReadEvent(Enum):
    """What happened to the peer's half."""

    if not TYPE_CHECKING:
        # Enum's own hash is Python code, and the tables are looked up in all the time.
        __hash__ = object.__hash__

    FIRST_BYTE = auto()
    HEAD_WITHOUT_BODY = auto()
    HEAD_WITH_BODY = auto()
    BODY_END = auto()
    BODY_UNWANTED = auto()
    """The response has ended and the rest of the body will not be read."""
    NEXT_REQUEST = auto()
    SWITCH = auto()
    REFUSE = auto()
    END_OF_INPUT = auto()


READING: dict[Reading, dict[ReadEvent, Reading]] = {
    Reading.IDLE: {
        ReadEvent.FIRST_BYTE: Reading.HEAD,
        ReadEvent.END_OF_INPUT: Reading.CLOSED,
    },
    Reading.HEAD: {
        ReadEvent.HEAD_WITHOUT_BODY: Reading.DONE,
        ReadEvent.HEAD_WITH_BODY: Reading.BODY,
        ReadEvent.REFUSE: Reading.DISCARD,
    },
    Reading.BODY: {
        ReadEvent.BODY_END: Reading.DONE,
        ReadEvent.BODY_UNWANTED: Reading.DROP,
        ReadEvent.REFUSE: Reading.DISCARD,
        ReadEvent.END_OF_INPUT: Reading.CLOSED,
    },
    Reading.DROP: {
        ReadEvent.BODY_END: Reading.DONE,
        ReadEvent.REFUSE: Reading.DISCARD,
        ReadEvent.END_OF_INPUT: Reading.CLOSED,
    },
    Reading.DONE: {
        ReadEvent.NEXT_REQUEST: Reading.IDLE,
        ReadEvent.SWITCH: Reading.SWITCHED,
        ReadEvent.REFUSE: Reading.DISCARD,
        ReadEvent.END_OF_INPUT: Reading.CLOSED,
    },
    Reading.DISCARD: {
        ReadEvent.END_OF_INPUT: Reading.CLOSED,
    },
    Reading.SWITCHED: {},
    # Requests that came before the end of input are still answered.
    Reading.CLOSED: {
        ReadEvent.NEXT_REQUEST: Reading.CLOSED,
        ReadEvent.SWITCH: Reading.SWITCHED,
        ReadEvent.END_OF_INPUT: Reading.CLOSED,
    },
}


class Writing(Enum):
    """What our side may send next."""

    if not TYPE_CHECKING:
        # Enum's own hash is Python code, and the tables are looked up in all the time.
        __hash__ = object.__hash__

    IDLE = auto()
    """Nothing: there is no request."""
    PENDING = auto()
    """A response head, final or 1xx."""
    BODY = auto()
    """More of a response body."""
    DONE = auto()
    """Nothing: the response is complete."""
    SWITCHED = auto()
    """Another protocol's."""
    CLOSED = auto()
    """Nothing ever again."""


class WriteEvent(Enum):
    """What our side did."""

    if not TYPE_CHECKING:
        # Enum's own hash is Python code, and the tables are looked up in all the time.
        __hash__ = object.__hash__

    REQUEST = auto()
    HEAD = auto()
    END = auto()
    NEXT_REQUEST = auto()
    SWITCH = auto()
    CLOSE = auto()


WRITING: dict[Writing, dict[WriteEvent, Writing]] = {
    Writing.IDLE: {
        WriteEvent.REQUEST: Writing.PENDING,
        WriteEvent.CLOSE: Writing.CLOSED,
    },
    Writing.PENDING: {
        WriteEvent.HEAD: Writing.BODY,
        WriteEvent.SWITCH: Writing.SWITCHED,
        WriteEvent.CLOSE: Writing.CLOSED,
    },
    Writing.BODY: {
        WriteEvent.END: Writing.DONE,
        WriteEvent.CLOSE: Writing.CLOSED,
    },
    Writing.DONE: {
        WriteEvent.NEXT_REQUEST: Writing.IDLE,
        WriteEvent.CLOSE: Writing.CLOSED,
    },
    Writing.SWITCHED: {},
    Writing.CLOSED: {
        WriteEvent.CLOSE: Writing.CLOSED,
    },
}
