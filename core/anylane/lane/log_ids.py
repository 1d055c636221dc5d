"""The ids by which the log tells connections and requests apart. They are made when a line asks.

They are looked up in the context of whatever logs, so a line of the app's own has them as well as
one of the framework. They are unique in one process, and no secret: numbers that count up.
"""

from __future__ import annotations

from _thread import allocate_lock
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING

from anylane.lane.link import current_link
from anylane.request_tag import request_id

if TYPE_CHECKING:
    from anylane.lane.link import Link, LinkDriver
    from anylane.log_limit import LogKind, LogLimit
    from anylane.protocol.exchange import Exchange

_numbers = count(1)
_lock = allocate_lock()

_number: ContextVar[int | None] = ContextVar("anylane_connection", default=None)
"""The connection that a line is about while none of its exchanges runs."""


def next_connection_number() -> int:
    """Return a number that no other connection of this process has."""
    return next(_numbers)


def current_connection_id() -> int | None:
    """Return the number of the connection that is dealt with in this context, or None: for startup
    hooks, periodic jobs, and threads that the app has started."""
    link = current_link.get(None)
    if link is None:
        return _number.get()
    return link.driver.number or None


def current_request_id() -> str | None:
    """Return the id of the request that is dealt with in this context, or None.

    It is the one that the part RequestId has given. Without the part it is the number of the
    connection and another number, such as "17-2".
    """
    given = request_id.get()
    if given is not None:
        return given
    link = current_link.get(None)
    return None if link is None else id_of(link)


def id_of(link: Link) -> str | None:
    """Return the id that the log gives the request of a link; None for the hooks of a connection
    and for jobs, which have no request."""
    exchange = link.exchange
    known: str | None = getattr(exchange, "log_id", None)  # Unset until a line asks.
    if known is not None or exchange.errand is not None:
        return known
    with _lock:  # Threads of one handler may log their first lines at the same time.
        known = getattr(exchange, "log_id", None)
        if known is None:
            driver = link.driver
            driver.logged += 1
            known = exchange.log_id = f"{driver.number}-{driver.logged}"
    return known


def log_about(
    number: int, limit: LogLimit, kind: LogKind, level: str, message: str, _error: object
) -> None:
    """Log a line about a connection of which no exchange runs, such as a handshake that has failed.

    number: the connection's. The last three are what a `Log` takes.
    """
    before = _number.set(number or None)
    try:
        limit.log(kind, level, message)
    finally:
        _number.reset(before)


def hand_on(link: Link, driver: LinkDriver, exchange: Exchange) -> None:
    """Give an exchange the ids of this link's: it goes on with the same request elsewhere."""
    driver.number = link.driver.number
    known = id_of(link)
    if known is not None:
        exchange.log_id = known
