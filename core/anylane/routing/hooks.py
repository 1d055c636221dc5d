"""Calling hooks: `def` or `async def`, told apart once, when the app is frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from anylane.callables import location, signature_problem
from anylane.errors import UsageError


class Stop(Enum):
    """Returned by a request or response hook: the pipeline ends here."""

    STOP = auto()


STOP = Stop.STOP


class Hooks:
    """The hooks of one router. They may grow until the app is frozen."""

    __slots__ = ("around", "request", "response")

    def __init__(self) -> None:
        self.request: list[Hook] = []
        self.response: list[Hook] = []
        self.around: list[Hook] = []


def check_hook(func: object, decorator: str, *forms: str) -> None:
    """Raises UsageError for what nobody could call: the decorator got something else, or a function
    with other parameters. forms: those that it may have, such as "(ctx)"."""
    if not callable(func):
        raise UsageError(
            f"@app.{decorator} got {func!r:.80}; expected a function: write @app.{decorator} "
            "in the line above it"
        )
    if problem := signature_problem(func, *forms):
        raise UsageError(f"the hook {location(func)} of @app.{decorator} {problem}")


@dataclass(frozen=True, slots=True, order=True)
class Hook:
    """A registered hook. Hooks sort in the order in which they run."""

    order: int
    index: int
    """The number of the registration, over all routers."""
    func: Callable[..., Any] = field(compare=False)
