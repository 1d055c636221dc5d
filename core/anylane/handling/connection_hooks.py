"""The hooks of a connection: `on_connect` before its first request, `on_disconnect` at its end."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING

from anylane.callables import run_call
from anylane.errors import HTTPError
from anylane.handling.background import attempt
from anylane.handling.context import Context
from anylane.lane.errand import apply_variables, changed_variables

if TYPE_CHECKING:
    from anylane.lane.link import BaseLink


# -- the errands there are --------------------------------------------------------------------


async def run_connect_hooks(link: BaseLink) -> None:
    """`on_connect`: the first exchange of a connection waits for it."""
    driver, server = link.driver, link.driver.server
    ctx = Context(link.exchange, link, server.frozen.app)
    before = copy_context()
    welcome = False
    try:
        for call in server.frozen.connect:
            await run_call(call, ctx)
        driver.seed = changed_variables(before, copy_context())
        welcome = True
    except HTTPError as exc:
        server.log("info", f"a connection was turned away: {exc}", None)
    except Exception as exc:  # noqa: BLE001  # the hook's
        if not link.exchange.over:
            server.log("error", f"an on_connect hook failed: {exc!r}", exc)
    finally:
        driver.greeted(welcome=welcome)


async def run_disconnect_hooks(link: BaseLink) -> None:
    """`on_disconnect`: after the connection and its last exchange."""
    driver, server = link.driver, link.driver.server
    apply_variables(driver.seed)
    ctx = Context(link.exchange, link, server.frozen.app)
    for call in server.frozen.disconnect:
        await attempt(server, "an on_disconnect hook", call, ctx)
