"""What becomes of an exception: the response of its handler, a problem response, or a 500.

A failure is dealt with once. What an exception handler raises itself is given to no other handler:
it is logged and answered with 500.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from anylane.callables import (
    Call,
    accepted_positionals,
    call_of,
    function_of,
    location,
    run_call,
)
from anylane.errors import HTTPError, InvalidJSON, NotModified, Refused, without_disconnects
from anylane.handling.failures import sole
from anylane.handling.pipeline import at
from anylane.handling.return_values import apply_result, returns_json
from anylane.http.parameters import split_parameters
from anylane.http.response import Response
from anylane.http.semantics.accept import prefers_json
from anylane.lane.stepping import explain
from anylane.log_limit import CLOSED
from anylane.protocol.fields import PHRASES
from anylane.routing.mounted import Mounted
from anylane.routing.parts import METHODS, is_part
from anylane.shown import shown, spoken

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.routing.hooks import Hooks


_ANSWERS = (HTTPError, NotModified, Refused)
"""These are answers and no bugs: the panic hook is not asked for them."""


class ErrorHandlers:
    """What deals with exceptions: the handlers of the app and its routers, or nothing but what an
    HTTPError says. refusals: the app's hooks for malformed requests."""

    __slots__ = ("_refusals",)

    def __init__(self, refusals: Iterable[Callable[..., Any]]) -> None:
        self._refusals = tuple(
            (call_of(hook), accepted_positionals(hook, 2), location(hook)) for hook in refusals
        )

    async def handle(self, ctx: Context, exc: Exception) -> None:
        """Make an exception the response.

        Raise it again if that is too late, if there is no handler for it, and if one has failed
        before. A handler's own exception passes through, but for an HTTPError: that is an answer. A
        group with nothing but one HTTPError or Disconnected counts as that.
        """
        if isinstance(exc, ExceptionGroup):
            exc = sole(exc)
        if (
            ctx._failed
            or ctx.exchange.started
            or (ctx.exchange.over and without_disconnects(exc) is None)
        ):
            try:
                raise exc
            finally:
                del exc  # Its traceback holds this frame: without a cycle both are freed.
        ctx.error = exc
        ctx._failed = True
        found = _handler_of(ctx, type(exc))
        if found is not None:
            kind, (call, where), place = found
            if kind is Exception:
                log_failure(ctx, exc)
            ctx.response = initial_error_response(exc)
            try:
                with nullcontext() if place.app is ctx.app else at(place, ctx):
                    await apply_result(ctx, await run_call(call, ctx, exc), where)
            except HTTPError as error:  # An answer like any other, and no failure of the handler.
                if ctx.exchange.started:
                    raise
                ctx.response = problem(ctx, error)
        elif isinstance(exc, HTTPError):
            ctx.response = problem(ctx, exc)
        elif isinstance(exc, Refused):
            ctx.response = problem(ctx, HTTPError(exc.status, exc.reason, headers=exc.headers))
        else:
            raise exc
        ctx._failed = False

    async def refuse(self, ctx: Context, refused: Refused) -> None:
        """Make the refusal of a request that could not be parsed the response.

        No hooks but those of `request_error` run. What one raises passes through.
        """
        ctx.error = refused
        ctx._failed = True
        ctx.response = initial_error_response(refused)
        for call, arguments, where in self._refusals:
            try:
                result = await run_call(call, *(ctx, refused)[:arguments])
                await apply_result(ctx, result, where)
            except HTTPError as answer:
                ctx.response = problem(ctx, answer)
        if ctx.response.body is None and ctx.response.items is None:
            error = HTTPError(refused.status, refused.reason)
            usual = problem(ctx, error)
            ctx.response.set_body(usual.body or b"", usual.headers["content-type"])


def levels(ctx: Context) -> tuple[Hooks, ...]:
    """Return the hooks of the routers that a request belongs to, outermost first: those of its
    route, or those that its path lies below."""
    if ctx.route is not None:
        return ctx.route.hooks
    return (ctx.app.hooks,) if ctx.unrouted is None else ctx.unrouted.hooks


def _handler_of(
    ctx: Context, kind: type[BaseException]
) -> tuple[type[BaseException], tuple[Call, str], Mounted] | None:
    """Return the class whose handler answers exceptions of that kind, with the handler, and where
    its App is. The innermost router that has one decides, and there the nearest class. What is
    inside of the App whose function has failed is not asked."""
    places: dict[object, Mounted] = {place.app: place for place in ctx.place.outward()}
    app, asked = None, []
    for hooks in levels(ctx):
        app = hooks.app or app
        asked.append((hooks, places.get(app)))
    for hooks, place in reversed(asked):
        for base in kind.__mro__ if place is not None else ():
            if base in hooks.exceptions:
                assert place is not None
                return base, hooks.exceptions[base], place
            if base in _ANSWERS:
                break
    return None


def initial_error_response(exc: Exception) -> Response:
    """Return what an exception handler begins with: an empty response with the status and the
    headers of the exception, if it has such, else with 500. Nothing of the response that failed
    stays."""
    if isinstance(exc, HTTPError | Refused):
        return Response(status=exc.status, headers=exc.headers)
    return Response(status=500)


def log_failure(ctx: Context, exc: BaseException) -> None:
    """Tell the operator what failed, where, and on which request. A hook's failure is its own, even
    if it was around a handler."""
    log_hook_failure(ctx, whose(ctx, exc), exc)


def log_hook_failure(ctx: Context, where: str, exc: BaseException) -> None:
    """Tell the operator that this failed, and on which request."""
    host = ctx.link.host
    why = explain(exc, host.lane, inline=ctx.link.inline)
    request = f"{ctx.request.method} {ctx.request.target}"
    reason = (shown(exc, 1000) if why is None else f"{why} ({shown(exc)})") + _unawaited(exc)
    for note in getattr(exc, "__notes__", ()):  # PEP 678
        reason += f"; {' '.join(str(note).split())}"[:400]
    host.log("error", f"{where} failed on {request}: {reason}", exc)


def whose(ctx: Context, exc: BaseException) -> str:
    """Return which of the functions of a request an exception came out of: the innermost one in its
    traceback. Where it is none of them, it is the handler."""
    known: dict[object, str] = {}
    for level in levels(ctx):
        for hook in (*level.request, *level.around, *level.response):
            _learn(known, hook.func)
        for hook in level.parts:
            _learn_part(known, hook.func)
        for (func, _), _ in level.exceptions.values():
            _learn(known, func)
    where = "the server"
    if ctx.route is not None:
        where = ctx.route.where
        _learn(known, ctx.route.handler)
        for each in ctx.route.middleware:
            _learn_part(known, each) if is_part(each) else _learn(known, each)
    traceback = exc.__traceback__
    while traceback is not None:
        where = known.get(traceback.tb_frame.f_code, where)
        traceback = traceback.tb_next
    return where


def _learn_part(known: dict[object, str], part: object) -> None:
    for name in METHODS:
        if hasattr(part, name):
            _learn(known, getattr(part, name))


def _learn(known: dict[object, str], func: Callable[..., Any]) -> None:
    code = getattr(function_of(func), "__code__", None)
    if code is not None:
        known[code] = location(func)


def _unawaited(exc: BaseException) -> str:
    """Return what to do where a coroutine was used as if it were its result, else nothing."""
    if not isinstance(exc, AttributeError | TypeError) or "coroutine" not in spoken(exc):
        return ""
    name = getattr(getattr(exc, "obj", None), "__qualname__", "")
    owner, _, method = name.rpartition(".")
    if owner not in ("Context", "Answering"):
        method = ""
    call = f"await ctx.{method}(...)" if method else "await ..."
    return f"; it was called and not awaited: write `{call}`"


def close_for(ctx: Context, error: HTTPError) -> None:
    """Close an accepted WebSocket whose client is at fault, and tell the operator in one line.

    The code is 1007 for a message that is not what it should be, else 1008 (RFC 6455 §7.4.1).
    """
    code = 1007 if isinstance(error, InvalidJSON) else 1008
    websocket = ctx.exchange.websocket
    assert websocket is not None, "it was accepted"
    where = ctx.route.where if ctx.route is not None else "the server"
    said = f"{where} closed with {code}: {spoken(error)}"
    ctx.link.host.log_limit.log(CLOSED, "info", said)
    websocket.close(code, error.message or "", ctx.link.now())


def _is_in_json(ctx: Context, error: HTTPError) -> bool:
    """Return whether an error is answered with problem+json.

    The innermost router that says something decides, else the client's Accept (RFC 9110 §12.5.1).
    Where that says nothing, it is JSON for an error that carries data and for a request or a
    handler that speaks JSON.
    """
    for hooks in reversed(levels(ctx)):
        if hooks.errors != "auto":
            return hooks.errors == "json"
    preferred = prefers_json(ctx.request.headers.get_all("accept"))
    if preferred is not None:
        return preferred
    route = ctx.route
    if error.detail is not None or (route is not None and returns_json(route.handler)):
        return True
    kind = split_parameters(ctx.request.headers.get("content-type") or "")[0].lower()
    return kind == "application/json" or kind.endswith("+json")


def problem(ctx: Context, error: HTTPError) -> Response:
    """Return the response to an HTTPError: problem+json (RFC 9457) or text, nothing for a 304."""
    if isinstance(error, NotModified):
        return Response(status=304, headers=error.headers)
    phrase = PHRASES.get(error.status, "Error")
    response = Response(status=error.status, headers=error.headers)
    if _is_in_json(ctx, error):
        value: dict[str, Any] = {"title": phrase, "status": error.status}
        if error.message is not None:
            value["detail"] = error.message
        if error.detail is not None:
            value["errors"] = error.detail
        response.set_json(value).set_header("content-type", "application/problem+json")
    else:
        text = phrase if error.message is None else f"{phrase}: {error.message}"
        response.set_text(f"{error.status} {text}\n")
    return response
