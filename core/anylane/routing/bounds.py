"""Bounds: how large a body a route takes, and how long its handler may take."""

from __future__ import annotations

from typing import NamedTuple

from anylane.errors import RouteError
from anylane.shown import shown

MOST_BYTES = 1 << 40
"""The highest body_limit, as of `Limits.body`."""

MOST_SECONDS = 86_400.0 * 365
"""The highest timeout, as of `ServerConfig.request_timeout`: a year."""


class Bounds(NamedTuple):
    """How large the body of a request may be, in bytes, and how many seconds its answer may take.
    None leaves it to the router around, and in the end to the server."""

    body_limit: int | None = None
    timeout: float | None = None

    def inside(self, outer: Bounds) -> Bounds:
        """Return what holds here inside a router with these bounds: the inner word counts."""
        return Bounds(
            outer.body_limit if self.body_limit is None else self.body_limit,
            outer.timeout if self.timeout is None else self.timeout,
        )


NO_BOUNDS = Bounds()
"""Those of a router or a route that says nothing."""


def checked_bounds(body_limit: object, timeout: object, where: str) -> Bounds:
    """Return these as Bounds. Raise RouteError for a value that cannot be. where: what says it."""
    if body_limit is not None and (
        type(body_limit) is not int or not 0 <= body_limit <= MOST_BYTES
    ):
        raise RouteError(
            f"body_limit of {where} is {shown(body_limit)}; expected a number of bytes from 0, "
            f"which allows no body, to {MOST_BYTES}, or None for the limit around it"
        )
    if timeout is not None and (
        isinstance(timeout, bool)
        or not isinstance(timeout, int | float)
        or not 0.001 <= timeout <= MOST_SECONDS
    ):
        raise RouteError(
            f"timeout of {where} is {shown(timeout)}; expected seconds from 0.001 to "
            f"{MOST_SECONDS:.0f}, or None for the time-out around it: no handler is without one"
        )
    return Bounds(body_limit, timeout)


def refuse_body_limit(body_limit: object, where: str) -> None:
    """Raise RouteError if a WebSocket is given a limit of a body. where: what says it."""
    if body_limit is not None:
        raise RouteError(
            f"body_limit of {where} is {shown(body_limit)}; a WebSocket has messages and no body, "
            "and Limits.message bounds each of them: leave it out"
        )
