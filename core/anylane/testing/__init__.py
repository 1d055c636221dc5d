"""Testing without sockets, without a loop, in virtual time."""

from anylane.testing.lockstep import Lockstep, LogRecord, World

__all__ = ["Lockstep", "LogRecord", "World"]
