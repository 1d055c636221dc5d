"""OwnPath: a path that a part answers by itself, without a route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.errors import HTTPError, UsageError
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context


class OwnPath:
    """A path as it stands in requests. GET and HEAD are answered there.

    what: names the argument, for the error. Raises UsageError for what is no such path.
    """

    __slots__ = ("_bytes", "text")

    def __init__(self, path: object, what: str) -> None:
        if (
            not isinstance(path, str)
            or not path.startswith("/")
            or not path.isascii()
            or not path.isprintable()
            or {*path} & {*" ?#{}%"}
        ):
            raise UsageError(
                f"{what} is {shown(path)}; expected a plain path such as '/metrics', without "
                "parameters"
            )
        self.text: str = path
        self._bytes = path.encode()

    def is_target(self, ctx: Context) -> bool:
        """Return whether a request is for this path, whatever its query. In a mounted app that is
        below the app's prefix."""
        head = ctx.exchange.head
        # The first look is cheap, and nearly all requests are for something else.
        return (
            head is not None
            and self._bytes in head.target
            and head.text.path == ctx.place.prefix + self.text
        )

    def check_method(self, ctx: Context) -> None:
        """Raise HTTPError 405 unless the request is a GET or HEAD."""
        if ctx.request.method not in ("GET", "HEAD"):
            raise HTTPError(405, headers=[("allow", "GET, HEAD")])
