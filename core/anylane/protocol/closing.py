"""What a transport is to do with its socket: one output of `Connection`."""

from __future__ import annotations

from enum import IntEnum


class Closing(IntEnum):
    """Only ever grows: a connection that is closing does not come back."""

    NO = 0
    """Go on."""
    SEND_EOF = 1
    """After everything was written, shut the write side down and go on reading."""
    CLOSE = 2
    """After everything was written, close."""
    ABORT = 3
    """Close now; what was not written is dropped."""
