"""run_exchange: the one coroutine in which a handler runs."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from anylane.errors import Cancelled, HTTPError, UsageError, without_disconnects
from anylane.handling.background import background, run_endings
from anylane.handling.context import Context
from anylane.handling.error_responses import close_for, log_failure, problem
from anylane.handling.failures import taken_apart
from anylane.handling.gate import AnswerRefused
from anylane.handling.pipeline import check_reached
from anylane.handling.return_values import put_routed
from anylane.http.response import Response
from anylane.http.settled import AbandonedResponse
from anylane.json import json_default
from anylane.lane.link import current_link, shielded
from anylane.lane.log_ids import hand_on
from anylane.lane.variables import apply_variables
from anylane.log_limit import REFUSED, TOO_SLOW
from anylane.protocol.exchange import Interrupt

if TYPE_CHECKING:
    from anylane.handling.answering import Held
    from anylane.handling.dispatch import Dispatcher
    from anylane.lane.link import Link
    from anylane.protocol.exchange import Exchange


async def run_exchange(  # noqa: C901, PLR0912  # calls cost time
    dispatcher: Dispatcher, exchange: Exchange, link: Link
) -> None:
    """Run the handler of one exchange and answer the exchange, whatever happens.

    Raise nothing of the handler's or the peer's. A native cancellation from outside passes
    through, and so does a KeyboardInterrupt by a signal, after the exchange was ended: whole
    frames, then the end of the connection.
    """
    current_link.set(link)
    if dispatcher.json_default is not None:
        json_default.set(dispatcher.json_default)
    driver = link.driver
    if driver.variables:
        apply_variables(driver.variables)
    ctx = answered = Context(exchange, link, dispatcher.app)
    try:
        try:
            if link.native:
                link.begin()
                await _answer(ctx, dispatcher)
            else:
                link.context = ctx
                try:
                    await link.guard(_answer(ctx, dispatcher))
                finally:
                    link.context = None  # It knows the link: without a cycle both are freed.
        except BaseException as exc:
            if not link.is_own_cancellation(exc) and not (
                isinstance(exc, Cancelled) and exchange.interrupt is not None
            ):
                if exchange.websocket is not None:
                    exchange.websocket.close(1011, "", link.now())
                raise
        if exchange.interrupt is not None:
            try:
                if not link.relieved:
                    answered = await _answer_interrupt(ctx)
            finally:
                if ctx.held is not None:  # A thread used it when the handler was given up.
                    await _give_back(ctx, ctx.held, None)
    finally:
        if not exchange.finished:
            exchange.finish(driver.now())
        if ctx.endings is not None:
            run_endings(answered, ctx.endings)
        if exchange.gone is not None:
            # The traceback holds the handler's variables, and an exchange may outlive them: a room
            # that expects to wake it still holds it.
            exchange.gone.__traceback__ = None
            if exchange.own_alarms is not None:
                exchange.own_alarms.clear()
        if ctx.error is not None and not ctx.jobs:
            ctx.error = None  # Its traceback holds this frame: without a cycle both are freed.
        asked = ctx._request
        if asked is not None and asked.uploads is not None and not ctx.jobs:
            ctx.release()
        if ctx.jobs:
            driver.defer(background(ctx, ctx.jobs))
        elif not driver.pumping:  # Else it is about to write: pipelined answers leave together.
            driver.push()


async def _answer(  # noqa: C901, PLR0912  # calls cost time
    ctx: Context, dispatcher: Dispatcher
) -> None:
    exchange, error_handlers = ctx.exchange, dispatcher.error_handlers
    try:
        try:
            if exchange.refused is None:
                try:
                    value = await dispatcher.answer(ctx)
                    if value is not None and (begun := put_routed(ctx, value)) is not None:
                        await begun
                except Exception as exc:  # noqa: BLE001  # the handler's; `handle` decides
                    await error_handlers.handle(ctx, exc)
            else:
                ctx.link.host.log_limit.log(REFUSED, "info", f"refused: {exchange.refused}")
                await error_handlers.refuse(ctx, exchange.refused)
            if not exchange.started and exchange.interrupt is None:
                response = ctx._response or ctx.response
                if response._body is None and response.items is None:
                    _check_answered(ctx, response)
                if ctx._gate is not None and not ctx._shown:
                    await ctx._gate.whole(ctx)
                    response = ctx.response
                if response.items is None:
                    wire = response.wire()
                    if ctx.held is None:
                        exchange.conclude(*wire, ctx.link.driver.now())
                    else:
                        exchange.respond(*wire)
                    response.freeze()
                else:
                    await response.items.send(ctx)
        finally:
            if ctx.items is not None:
                await ctx.items.close()
        if ctx.held is not None:
            held, ctx.held = ctx.held, None
            await held.close(None)
    except BaseException as exc:  # noqa: BLE001  # user code's: a failure ends its exchange alone
        passing, failure = taken_apart(exc, ctx.link)
        try:
            if failure is not None and exchange.over:
                failure = without_disconnects(failure)
            try:
                if failure is not None:
                    await _fail(ctx, failure)
            finally:
                # What a thread still uses is given back when the client has its answer.
                if ctx.held is not None and not (exchange.interrupt and ctx.still_running()):
                    await _give_back(ctx, ctx.held, exc)
            if passing is exc:
                raise
            if passing is not None:
                raise passing from None
        finally:
            del passing, failure  # Their tracebacks hold this frame: without a cycle all are freed.


async def _give_back(ctx: Context, held: Held, exc: BaseException | None) -> None:
    """Give back what a handler that has failed was given. What fails there is logged."""
    ctx.held = None
    try:
        await held.close(exc)
    except BaseException as failed:  # noqa: BLE001  # user code's; `taken_apart` decides
        passing, failure = taken_apart(failed, ctx.link)
        if failure is not None:
            log_failure(ctx, failure)
        if passing is not None:
            raise passing from None


def _check_answered(ctx: Context, response: Response) -> None:
    """Raise UsageError if middleware has not gone on, or a WebSocket handler neither accepted nor
    answered the handshake: most such functions lack a line."""
    route, exchange = ctx.route, ctx.exchange
    if response.status is not None or exchange.gone is not None:
        return
    check_reached(ctx)
    if route is not None and route.websocket:
        raise UsageError(
            f"neither {route.where} nor a hook that returned STOP has answered the WebSocket "
            "handshake; expected `ws = await ctx.accept()`, or a response or HTTPError that "
            "rejects it"
        )


async def _fail(ctx: Context, exc: BaseException) -> None:
    """Log an exception that nothing has dealt with, and answer 500 if that is still possible."""
    exchange, websocket = ctx.exchange, ctx.exchange.websocket
    if isinstance(exc, AnswerRefused):
        return  # The hook that has answered instead is no failure of the handler.
    if websocket is not None and isinstance(exc, HTTPError) and exc.status < 500:
        close_for(ctx, exc)
        return
    log_failure(ctx, exc)
    ctx.error, ctx._failed = exc, True
    if websocket is not None:
        websocket.close(1011, "", ctx.link.now())
    elif not exchange.started and exchange.interrupt is None:
        await _answer_instead(ctx, problem(ctx, HTTPError(500)))


async def _answer_instead(ctx: Context, response: Response) -> None:
    """Answer with this in the place of what failed. The response hooks see it, even if they saw
    what never went out. If it cannot be sent, a bare response is."""
    if ctx._response is not None and not ctx._response.sent:
        AbandonedResponse.abandon(ctx._response)
    ctx._response = response
    status = response.status or 500
    if ctx._gate is not None:
        try:
            await ctx._gate.whole(ctx)
        except BaseException as exc:
            # A part's `body` or what it made has failed, most likely a second time.
            passing, failure = taken_apart(exc, ctx.link)
            if failure is None or ctx.exchange.over:
                raise
            log_failure(ctx, failure)
            ctx.response = Response(status=status)
            if passing is not None:
                raise passing from None
        if ctx.exchange.started:
            return  # The hooks took too long, and the bare 503 is out.
    try:
        ctx.respond(ctx.response)
    except UsageError as exc:
        log_failure(ctx, exc)
        ctx.exchange.respond(status, [], b"")


async def _answer_interrupt(ctx: Context) -> Context:
    """Answer 503 for a handler that the core has interrupted, where that is still possible. Return
    the context of what was answered."""
    exchange = ctx.exchange
    if exchange.interrupt is Interrupt.DEADLINE:
        _log_late(ctx)
    if exchange.started:
        return ctx
    instead = _in_place_of(ctx, exchange, ctx.link)
    try:
        await _answer_late(instead)
    finally:
        if instead.jobs:
            ctx.jobs = [*(ctx.jobs or ()), *instead.jobs]
    return instead


def _log_late(ctx: Context) -> None:
    route = ctx.route
    where = route.where if route is not None else "the handler"
    seconds = None if route is None else route.bounds.timeout
    if seconds is None:
        seconds = ctx.link.driver.connection.config.request_timeout
    line = f"{where} took longer than {seconds:g} seconds: 503"
    ctx.link.host.log_limit.log(TOO_SLOW, "warning", line)


async def _answer_late(ctx: Context) -> None:
    """Answer 503. The response hooks have what the handler's `finally` has left of
    `Timeouts.close`; after that the 503 is a bare one."""
    exchange, link = ctx.exchange, ctx.link
    message = "the server took too long" if exchange.interrupt is Interrupt.DEADLINE else None
    response = problem(ctx, HTTPError(503, message)).close_connection()
    try:
        if ctx._gate is None:
            await _answer_instead(ctx, response)
        else:
            await shielded(link, lambda: _answer_instead(ctx, response), ended=True)
    except BaseException as exc:  # noqa: BLE001  # user code's: a failure ends its exchange alone
        if not exchange.started:
            exchange.respond(503, [("connection", "close")], b"")
        passing, failure = taken_apart(exc, link)
        try:
            if failure is not None and (failure := without_disconnects(failure)) is not None:
                log_failure(ctx, failure)
            if passing is None or isinstance(passing, Cancelled):
                return
            if not link.is_own_cancellation(passing):
                raise passing
        finally:
            del passing, failure  # As in `_answer`.


def _in_place_of(stuck: Context, exchange: Exchange, link: Link) -> Context:
    """Return a context for the answer to a handler that was given up. Its thread may be stuck and
    hold the one that it was given: whatever it does with the response of that raises Cancelled."""
    response = Response() if stuck._response is None else stuck._response
    AbandonedResponse.abandon(response)
    stuck._response = response
    stuck._state = stuck.state  # Both have the same, even if it was not looked at yet.
    ctx = copy(stuck)
    ctx.exchange, ctx.link = exchange, link
    if exchange is not stuck.exchange:
        ctx._request = None
        stuck.endings = None  # They are told of the answer, and not of what comes behind it.
    ctx._response = ctx._calls = ctx._pending = None
    ctx.items = ctx.held = ctx.jobs = ctx.error = None
    ctx._failed = ctx._shown = False
    return ctx


async def relieve(dispatcher: Dispatcher, stuck: Link, exchange: Exchange, link: Link) -> None:
    """Answer 503 in the place of a handler that blocks its thread, and end the exchange.

    stuck: the link of that handler. What it has of its context raises Cancelled from now on; the
    response hooks get a context of their own, with the same `state`. exchange: the same request,
    interrupted by its deadline.
    """
    current_link.set(link)
    hand_on(stuck, link.driver, exchange)
    if dispatcher.json_default is not None:
        json_default.set(dispatcher.json_default)
    held: Context | None = getattr(stuck, "context", None)
    if held is None:  # It has waited for its thread, and never begun.
        ctx = Context(exchange, link, dispatcher.app)
        dispatcher.find(ctx)
    else:
        ctx = _in_place_of(held, exchange, link)
    driver = link.driver
    try:
        _log_late(ctx)
        if not exchange.started:
            await _answer_late(ctx)
    finally:
        if not exchange.finished:
            exchange.finish(driver.now())
        if ctx.endings is not None:
            run_endings(ctx, ctx.endings)
        if ctx.jobs:
            driver.defer(background(ctx, ctx.jobs))
        else:
            driver.push()
