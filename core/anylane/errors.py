"""The exceptions of anylane, sorted by whose fault they are.

A fault of the peer is a `Refused` inside the core, which carries the status to answer with, or a
`Disconnected`, which tells a handler that its client is gone. A fault of the application is a
`UsageError`, raised by the call that is wrong. `HTTPError` is how a handler answers with an error.

This file imports nothing of the project, and each message says what was seen, what was expected and
what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast


class AnylaneError(Exception):
    """The base of all errors that anylane raises."""


class UsageError(AnylaneError):
    """The application used the framework wrongly. The message says what to do instead."""


class RegistrationError(UsageError):
    """A route or a hook was registered on an App that serves already."""


class Disconnected(AnylaneError):
    """The client is gone: the next use of `ctx` raises this.

    A handler may let it pass: the framework then ends the handler quietly, and nothing is logged. A
    handler that catches it gets it again at its next use of `ctx`.

    code: the close code of a WebSocket (RFC 6455 §7.4). 1006 says that no close frame came. None
        says that the exchange is plain HTTP.
    reason: the reason in the peer's close frame, or what the transport reported.
    """

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        what = "the client is gone" if self.code is None else f"closed with code {self.code}"
        return f"{what}: {self.reason}" if self.reason else what


def without_disconnects(exc: BaseException) -> BaseException | None:
    """Return what is left of *exc* without any Disconnected, or None if nothing is.

    A task group of an event loop's library wraps what its children raise in an exception group, so
    a Disconnected may lie at any depth.
    """
    if isinstance(exc, Disconnected):
        return None
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(Disconnected)[1]
    return exc


class HTTPError(AnylaneError):
    """Raise it anywhere in a handler or hook to answer the request with *status*.

    The answer is problem+json (RFC 9457) or plain text. What was set on `ctx.response` before is
    dropped. Raises UsageError if *status* is not an int from 400 to 599.

    status: an int from 400 to 599.
    message: one short sentence for the client. None stands for the standard phrase of the status.
    headers: a mapping or pairs of str, added to the answer.
    detail: any JSON value. It becomes the member `errors` of problem+json, whose own member
        `detail` is *message* because it has to be text (RFC 9457 §3.1.4).
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
        self.headers: list[tuple[str, str]] = list(cast("Iterable[tuple[str, str]]", pairs))
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.status} {self.message}" if self.message else str(self.status)


class NotModified(HTTPError):
    """The client has what it asks for: a 304 without a body (RFC 9110 §15.4.5).

    `ctx.check_preconditions` raises it. It passes by the exception handlers for HTTPError, which
    make bodies.

    headers: pairs of str; those that the 200 would have.
    """

    def __init__(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(400, None, headers=headers)
        self.status = 304

    def __str__(self) -> str:
        return "304"


class MissingValue(HTTPError, KeyError):
    """The client has left out what the handler asked for by name: a field of the query or the form,
    a cookie or a header. It is answered with 400, and it is a KeyError.

    name: the name that was asked for.
    """

    def __init__(self, name: str, what: str = "value") -> None:
        super().__init__(400, f"the {what} {name!r:.80} is missing")
        self.name = name


class InvalidJSON(HTTPError, ValueError):
    """The client has sent something else where the handler asked for JSON. It is answered with 400,
    a WebSocket is closed with 1007, and it is a ValueError."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


class WrongField(HTTPError, AttributeError):
    """The client has sent text where the handler uses a form's field as a file, or a file where it
    uses it as text. It is answered with 400, and it is an AttributeError."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


class Refused(AnylaneError):
    """The peer broke a rule. This never leaves the core.

    status: the status to answer with, 4xx or 5xx.
    reason: the name of the rule.
    excerpt: at most 64 bytes of the input.
    headers: header fields that the answer must carry, such as `Sec-WebSocket-Version` with 426.
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
        self.excerpt: bytes = bytes(excerpt[:64])
        self.headers = headers

    def __str__(self) -> str:
        seen = f"; saw {self.excerpt!r}" if self.excerpt else ""
        return f"{self.status}: {self.reason}{seen}"


class Cancelled(BaseException):
    """The framework interrupts the handler: its time is over, or the server shuts down.

    It is raised at the next use of `ctx` where the lane cannot cancel natively, and in every `def`
    handler. It is a BaseException, so `except Exception` does not catch it. A handler may clean up
    in `finally`; only the scope that asked for the cancellation swallows it.
    """


class ConfigError(AnylaneError, ValueError):
    """A setting is out of its bounds. The message names the field, the value and the bound."""


class RouteError(AnylaneError, ValueError):
    """A route cannot be registered, or no path can be built from it."""
