"""What can go wrong, by whose fault it is.

The peer's faults become a 4xx or a close code and carry the status to answer with
(`Refused`, inside the core) or tell the handler that nobody listens any more
(`Disconnected`). Ours are raised at the guilty call (`UsageError`). `HTTPError` is the
handler's own way to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast


class AnylaneError(Exception):
    """Base of all errors that anylane raises."""


class UsageError(AnylaneError):
    """The application used the framework wrongly; the message says what to do instead."""


class RegistrationError(UsageError):
    """Something was registered on an App that already serves."""


class Disconnected(AnylaneError):
    """The client is gone; raised at the next use of `ctx`.

    code: the WebSocket close code (RFC 6455 §7.4), 1006 where there was no close frame;
        None for plain HTTP.
    reason: the peer's close reason, or what the transport reported.

    The framework ends the handler quietly when it lets this pass; swallowed once, it is
    raised again at the next use.
    """

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        what = "the client is gone" if self.code is None else f"closed with code {self.code}"
        return f"{what}: {self.reason}" if self.reason else what


def without_disconnects(exc: BaseException) -> BaseException | None:
    """What is left of an exception when every Disconnected is taken out of its groups.

    A task group of the event loop's library wraps what its children raise.
    """
    if isinstance(exc, Disconnected):
        return None
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(Disconnected)[1]
    return exc


class HTTPError(AnylaneError):
    """Answer this request with `status`, from anywhere in a handler or middleware.

    status: 400 to 599.
    message: one short sentence for the client; the status' standard phrase if None.
    headers: added to the response.
    detail: any JSON value, the member `errors` of problem+json; its `detail` is *message*, for it
        has to be text (RFC 9457 §3.1.4).
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        detail: Any = None,
    ) -> None:
        if not (isinstance(status, int) and 400 <= status <= 599):  # type: ignore[redundant-expr]
            raise UsageError(
                f"HTTPError status is {status!r}; expected an int from 400 to 599. "
                "For other answers return a Response or set ctx.response"
            )
        super().__init__(status, message)
        self.status = status
        self.message = message
        # pyright takes a list of pairs for a possible Mapping of pairs.
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        self.headers = list(cast("Iterable[tuple[str, str]]", pairs))
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.status} {self.message}" if self.message else str(self.status)


class Refused(AnylaneError):
    """The peer broke a rule: the status to answer with, why, and what was seen.

    status: 4xx or 5xx. reason: names the rule. excerpt: at most 64 bytes of the input.
    headers: that the answer must carry (`Sec-WebSocket-Version` with 426).
    """

    def __init__(
        self,
        status: int,
        reason: str,
        excerpt: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.excerpt = bytes(excerpt[:64])
        self.headers = headers

    def __str__(self) -> str:
        seen = f"; saw {self.excerpt!r}" if self.excerpt else ""
        return f"{self.status}: {self.reason}{seen}"


class Cancelled(BaseException):
    """A scope of ours was cancelled on a lane without native cancellation.

    Raised by `link.wait()` there; never swallowed but by the scope that asked for it. A
    BaseException, so that `except Exception` in a handler does not catch it.
    """


class ConfigError(AnylaneError, ValueError):
    """A setting is out of its bounds; the message names field, value and bound."""


class RouteError(AnylaneError, ValueError):
    """A route that cannot be registered, or a path that cannot be built from one."""
