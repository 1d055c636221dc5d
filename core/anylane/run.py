"""run_exchange: the one coroutine in which a handler runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anylane.context import Context
from anylane.errors import HTTPError, without_disconnects
from anylane.link import current_link
from anylane.problems import problem
from anylane.protocol.exchange import Interrupt
from anylane.response import Response
from anylane.stepping import explain

if TYPE_CHECKING:
    from anylane.link import BaseLink
    from anylane.protocol.exchange import Exchange
    from anylane.server import ServerCore


async def run_exchange(exchange: Exchange, server: ServerCore, link: BaseLink) -> None:
    """Run the handler of one exchange and answer it, whatever happens.

    Raises nothing of the handler's or the peer's. A native cancellation from outside passes
    through, after the exchange was ended: whole frames, then the end of the connection.
    """
    current_link.set(link)
    ctx = Context(exchange, link, server.frozen.app)
    try:
        async with link.scope() as scope:
            exchange.begin(scope.cancel)
            await _answer(ctx, server)
    except BaseException as exc:
        if not link.is_stray(exc):
            if exchange.websocket is not None:
                exchange.websocket.close(1011, "", link.now())
            raise
        # Nobody cancelled this exchange: it awaited something that had been cancelled.
        _fail(ctx, server, exc)
    if exchange.interrupt is not None:
        _answer_interrupt(ctx, server)
    exchange.finish(link.now())


async def _answer(ctx: Context, server: ServerCore) -> None:
    exchange = ctx.exchange
    try:
        try:
            if exchange.refused is not None:
                server.log("info", f"refused: {exchange.refused}", None)
                raise exchange.refused
            await server.frozen(ctx)
        except Exception as exc:  # noqa: BLE001  # the handler's; on_error decides
            await server.frozen.on_error(ctx, exc)
        if not exchange.started and exchange.interrupt is None:
            await ctx.send()
    except (Exception, BaseExceptionGroup) as exc:  # noqa: BLE001  # the handler's; it is logged
        left = without_disconnects(exc)
        if not exchange.over:
            _fail(ctx, server, exc)
        elif left is not None and not isinstance(left, Exception):
            raise left from None  # A native cancellation among them: for whoever asked for it.
        elif left is not None:
            _fail(ctx, server, left)
    except (SystemExit, KeyboardInterrupt) as exc:
        # A handler does not end the server; who is to, signals it.
        _fail(ctx, server, exc)


def _fail(ctx: Context, server: ServerCore, exc: BaseException) -> None:
    """Nothing has dealt with this exception: log it, and answer 500 if there is still time."""
    exchange = ctx.exchange
    where = ctx.route.where if ctx.route is not None else "the server"
    why = explain(exc, server.lane) if ctx.link.inline else None
    request = f"{ctx.request.method} {ctx.request.target}"
    reason = repr(exc) if why is None else f"{why} ({exc!r})"
    server.log("error", f"{where} failed on {request}: {reason}", exc)
    if exchange.websocket is not None:
        exchange.websocket.close(1011, "", ctx.link.now())
    elif not exchange.started and exchange.interrupt is None:
        _respond(ctx, problem(ctx, HTTPError(500)))


def _answer_interrupt(ctx: Context, server: ServerCore) -> None:
    """The handler was ended by us; its client still gets an answer where one is possible."""
    exchange = ctx.exchange
    if exchange.interrupt is Interrupt.DEADLINE:
        where = ctx.route.where if ctx.route is not None else "the handler"
        seconds = ctx.link.driver.connection.config.request_timeout
        server.log("warning", f"{where} took longer than {seconds:g} seconds: 503", None)
    if not exchange.started:
        message = "the server took too long" if exchange.interrupt is Interrupt.DEADLINE else None
        response = problem(ctx, HTTPError(503, message))
        _respond(ctx, response.close_connection())


def _respond(ctx: Context, response: Response) -> None:
    status, headers = response.head()
    ctx.exchange.respond(status, headers, response.body or b"")
