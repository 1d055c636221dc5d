"""The id of the request that a line of the log belongs to, told in the line."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

Log = Callable[[str, str, BaseException | None], None]
"""Takes a level, a message, and the exception or None."""

request_id: ContextVar[str | None] = ContextVar("anylane_request_id", default=None)
"""The id of the request that is dealt with in this context, or None. The part RequestId sets it."""


def tagged(message: str) -> str:
    """Return a line of the log with the id of the request that it belongs to, if there is one that
    the line does not name."""
    known = request_id.get()
    return message if known is None or known in message else f"{message} [request {known}]"


def tagging(log: Log) -> Log:
    """Return a log that writes each line `tagged` in this one."""
    return lambda level, message, error: log(level, tagged(message), error)
