"""The asyncio lane, and uvloop, which is a loop factory for it."""

from anylane_backends.asyncio.lane import AsyncioBackend, UvloopBackend

__all__ = ["AsyncioBackend", "UvloopBackend"]
