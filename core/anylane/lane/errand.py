"""Errands: exchanges that no client has asked for.

The hooks of a connection and the background work of a response need a coroutine, a Link and an
end, as handlers do. So a lane starts them as it starts any exchange, and they can wait, be
cancelled and be drained as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

from anylane.errors import UsageError
from anylane.lane.link import current_link
from anylane.protocol.exchange import Exchange

if TYPE_CHECKING:
    from anylane.lane.link import BaseLink


Errand = Callable[["BaseLink"], Coroutine[Any, Any, None]]


VariableChanges = tuple[tuple[ContextVar[Any], Any], ...]
"""Context variables and their values, to be set in another context."""


class NoStream:
    """The stream of an exchange without a client."""

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise UsageError("there is no request to answer here, only a connection or its end")

    send_informational = send_head = send_data = send_end = conclude = _refuse
    begin_events = accept = take_over = _refuse

    def body_wanted(self, now: float) -> None:
        """There is no body."""

    def finish(self, now: float) -> None:
        """Nothing was begun."""


_NO_STREAM = NoStream()


class ErrandExchange(Exchange):
    """An exchange that runs `errand`."""

    __slots__ = ("errand",)

    def __init__(self, errand: Errand) -> None:
        super().__init__(_NO_STREAM, None)
        self.errand = errand


async def run_errand(exchange: Exchange, link: BaseLink) -> None:
    """What `run_exchange` is to a request. Errands log their failures themselves."""
    current_link.set(link)
    await link.guard(exchange.errand(link))
    exchange.finish(link.now())


def apply_variables(seed: VariableChanges) -> None:
    for variable, value in seed:
        variable.set(value)


def changed_variables(before: Variables, now: Variables) -> VariableChanges:
    """What was set between the two."""
    missing = object()
    return tuple(
        (variable, value)
        for variable, value in now.items()
        if before.get(variable, missing) is not value
    )
