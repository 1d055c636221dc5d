"""Hooks as they are registered: an order and a function.

Nothing here calls one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal, get_args

from anylane.callables import Call, call_of, location, signature_problem
from anylane.errors import UsageError


class Stop(Enum):
    """The type of STOP."""

    STOP = auto()


STOP = Stop.STOP
"""A request or response hook returns it to end the pipeline: the response goes out as it stands."""


Errors = Literal["auto", "json", "text"]
"""How an HTTPError is written: as problem+json (RFC 9457), as text, or as the client wants it."""


class Hooks:
    """The hooks of one router, and its parts. They may grow until the app is frozen.

    errors: how an HTTPError of its routes is written. "auto" leaves that to the router around it.
    exceptions: its exception handlers by class, each with the place where it is.
    app: the App whose own hooks these are, None for those of a plain Router.
    """

    __slots__ = ("app", "around", "errors", "exceptions", "parts", "request", "response")

    def __init__(self, errors: Errors = "auto") -> None:
        if errors not in get_args(Errors):
            raise UsageError(f"errors is {errors!r:.80}; expected 'auto', 'json' or 'text'")
        self.app: Any = None
        self.errors: Errors = errors
        self.request: list[Hook] = []
        self.response: list[Hook] = []
        self.around: list[Hook] = []
        self.parts: list[Hook] = []
        self.exceptions: dict[type[BaseException], tuple[Call, str]] = {}

    def answer(self, kind: type[Exception], handler: Any) -> None:
        """Have exceptions of that class answered by `handler(ctx, exc)`."""
        self.exceptions[kind] = call_of(handler), location(handler)


def check_hook(func: object, decorator: str, *forms: str) -> None:
    """Raise UsageError if *func* is no function, or cannot be called with any of *forms*.

    decorator: the name of the decorator, for the message.
    forms: the parameters that it may have, such as "(ctx)".
    """
    if not callable(func):
        raise UsageError(
            f"@app.{decorator} got {func!r:.80}; expected a function: write @app.{decorator} "
            "in the line above it"
        )
    if problem := signature_problem(func, *forms):
        raise UsageError(f"the hook {location(func)} of @app.{decorator} {problem}")


def check_exception_class(kind: object) -> None:
    """Raise UsageError for what is no class of exceptions that a handler may answer."""
    # The hint does not keep out what other frameworks take: a status, or nothing at all.
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        raise UsageError(
            f"@app.exception_handler got {kind!r:.80}; expected a class of exceptions, such as "
            "ValueError or HTTPError, whose `status` tells one from another"
        )


@dataclass(frozen=True, slots=True, order=True)
class Hook:
    """A registered hook. Hooks sort in the order in which they run."""

    order: int
    """The order that it was registered with. Lower ones run first, or outermost."""
    index: int
    """The number of its registration, over all routers: equal orders run in this one."""
    func: Any = field(compare=False)
    """The function, or the part."""
