"""The hooks of a connection: `on_connect` runs before its first request, `on_disconnect` at its
end.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING

from anylane.callables import Call, run_call
from anylane.errors import HTTPError
from anylane.handling.background import attempt
from anylane.handling.context import Context
from anylane.handling.failures import sole, taken_apart
from anylane.lane.variables import apply_variables, changed_variables
from anylane.log_limit import TURNED_AWAY
from anylane.shown import shown, spoken

if TYPE_CHECKING:
    from anylane.lane.link import Link
    from anylane.routing.base_app import BaseApp


async def run_connect_hooks(app: BaseApp, hooks: tuple[Call, ...], link: Link) -> None:
    """Run the `on_connect` hooks, which the first exchange of a connection waits for.

    An exception out of one turns the connection away: an HTTPError with an "info" line, any other
    with an "error" line. The context variables that they set are those of all its exchanges.
    """
    host, driver = link.host, link.driver
    ctx = Context(link.exchange, link, app)
    before = copy_context()
    welcome = False
    try:
        for call in hooks:
            await run_call(call, ctx)
        welcome = True
    except BaseException as exc:  # noqa: BLE001  # the user's; `taken_apart` decides
        passing, failure = taken_apart(exc, link)
        try:
            if isinstance(failure, Exception):
                failure = sole(failure)
            if isinstance(failure, HTTPError):
                said = f"a connection was turned away: {spoken(failure)}"
                host.log_limit.log(TURNED_AWAY, "info", said)
            elif failure is not None and not link.exchange.over:
                host.log("error", f"an on_connect hook failed: {shown(failure, 1000)}", failure)
            if passing is exc:
                raise
            if passing is not None:
                raise passing from None
        finally:
            del passing, failure  # As in run_exchange.
    finally:
        if welcome:
            driver.welcome(changed_variables(before, copy_context()))
        else:
            driver.turn_away()


async def run_disconnect_hooks(app: BaseApp, hooks: tuple[Call, ...], link: Link) -> None:
    """Run the `on_disconnect` hooks, after a connection and its last exchange are over.

    A failure is logged, and the others still run.
    """
    apply_variables(link.driver.variables)
    ctx = Context(link.exchange, link, app)
    for call in hooks:
        await attempt(link.host, "an on_disconnect hook", call, ctx)
