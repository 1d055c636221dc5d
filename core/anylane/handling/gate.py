"""Gate: the one place through which the head of every answer goes out.

The response hooks see each answer there, once and whole, before its head is sent, whoever made it.
Requests that could not be parsed have no gate, and 1xx responses are no answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.callables import Call, call_of, location, run_call
from anylane.errors import HTTPError, UsageError
from anylane.handling.blocking import transformed
from anylane.handling.error_responses import log_hook_failure, problem
from anylane.handling.failures import sole, taken_apart
from anylane.handling.pipeline import at
from anylane.http.response import Response
from anylane.routing.hooks import STOP
from anylane.routing.mounted import Group, Mounted
from anylane.routing.parts import Transform, name_of_part
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context


class AnswerRefused(UsageError):
    """A response hook has put another answer in the place of this one, and that was sent."""

    def __init__(self) -> None:
        super().__init__("a response middleware refused the answer")


class Gate:
    """The response hooks and body transforms of one route, in the order in which answers pass."""

    __slots__ = ("_bodies", "_steps")

    def __init__(self, groups: Sequence[Group], own: Iterable[Any] = ()) -> None:
        """Take the hooks of a route's routers by their App, outermost first, and the parts of the
        route itself.

        Answers pass them innermost first. Of one level that is the hooks in ascending order, then
        the parts in descending order.
        """
        self._steps: list[tuple[Call, str]] = []
        self._bodies: list[tuple[Callable[[Context], Transform | None], str]] = []
        self._add(list(own)[::-1], None)
        for place, levels in reversed(groups):
            # What belongs to the innermost App finds `ctx` there.
            elsewhere = None if place is groups[-1].mounted else place
            for level in reversed(tuple(dict.fromkeys(levels))):
                for hook in sorted(level.response):
                    self._add_step(hook.func, location(hook.func), elsewhere)
                self._add((hook.func for hook in sorted(level.parts, reverse=True)), elsewhere)

    def _add(self, parts: Iterable[Any], place: Mounted | None) -> None:
        for part in parts:
            where = name_of_part(part)
            if hasattr(part, "response"):
                self._add_step(part.response, where, place)
            if hasattr(part, "body"):
                body = part.body if place is None else partial(_body_at, place, part.body)
                self._bodies.append((body, where))

    def _add_step(self, func: Callable[..., Any], where: str, place: Mounted | None) -> None:
        call = call_of(func)
        self._steps.append(
            (call if place is None else (partial(_run_at, place, call), True), where)
        )

    def __bool__(self) -> bool:
        return bool(self._steps or self._bodies)

    async def whole(self, ctx: Context) -> None:
        """Let `ctx.response` pass before any of it is sent."""
        await self.show(ctx)
        response = ctx.response
        if response.items is None and (transforms := self._transforms(ctx)):
            response.set_body(await transformed(ctx.link, response.body or b"", transforms))

    async def start(self, ctx: Context, *, whole: bool) -> list[Transform]:
        """Let `ctx.response` pass whose head goes out now, while its handler runs on.

        whole: whether its body may be changed, and not that of an event stream, which writes
        without us. Return what changes the body. Raise AnswerRefused if a hook has put
        another answer in its place; that one was sent.
        """
        # A returned iterator was shown before, so that a hook could put something in its place.
        if not ctx._shown and not await self.show(ctx):
            ctx.respond(ctx.response)
            ctx.link.pump()
            raise AnswerRefused
        return self._transforms(ctx) if whole else []

    async def show(self, ctx: Context) -> bool:
        """Let the hooks see `ctx.response`. Return False if one has put another in its place.

        An HTTPError out of a hook is the answer then, anything else a logged 500; the remaining
        hooks see that. A second failure is a 500 with nothing in it, and ends it.
        """
        ctx._shown = True
        kept, failed = True, False
        assumed = ctx.response.complete()
        for call, where in self._steps:
            try:
                func, is_async = call
                result = func(ctx)
                # Most hooks are a `def` that returns nothing, and need no coroutine.
                if (is_async or result is not None) and await _stops(result, where):
                    break
            except BaseException as exc:
                passing, failure = taken_apart(exc, ctx.link)
                if failure is not None:
                    if isinstance(failure, Exception):
                        failure = sole(failure)
                    if ctx.exchange.gone is not None and not isinstance(failure, HTTPError):
                        raise  # The client has left, which is no failure of the hook.
                    kept = False
                    ctx.error = failure
                    if isinstance(failure, HTTPError):
                        ctx.response = problem(ctx, failure)
                    else:
                        log_hook_failure(ctx, where, failure)
                        ctx.response = (
                            Response(status=500) if failed else problem(ctx, HTTPError(500))
                        )
                        if failed:
                            break
                        failed = True
                    assumed = False
                if passing is exc:
                    raise
                if passing is not None:
                    raise passing from None
        if assumed and ctx.response.status == 204 and ctx.response.body is not None:
            ctx.response.set_status(200)  # A hook has given it a body.
        return kept

    def _transforms(self, ctx: Context) -> list[Transform]:
        """Return what changes the bytes of this answer's body, in order. Each part is asked once.

        Where there is something, the length that was declared holds no longer. A 304 has no body,
        but its header fields are those of the 200 (RFC 9110 §15.4.5), which a part changes here.
        """
        found: list[Transform] = []
        status = ctx.response.status
        if status == 204:
            return found
        for body, where in self._bodies:
            transform = body(ctx)
            if transform is None or status == 304:
                continue
            if not isinstance(transform, Transform):
                raise UsageError(
                    f"body of the part {where} returned {shown(transform)}; expected None, or an "
                    "object with feed(), flush() and finish()"
                )
            found.append(transform)
        if found:
            ctx.response.remove_header("content-length")
        return found


async def _run_at(place: Mounted, call: Call, ctx: Context) -> Any:
    """Call a hook of an App that another one is mounted in."""
    with at(place, ctx):
        return await run_call(call, ctx)


def _body_at(
    place: Mounted, body: Callable[[Context], Transform | None], ctx: Context
) -> Transform | None:
    """Ask a part of an App that another one is mounted in."""
    with at(place, ctx):
        return body(ctx)


async def _stops(result: Any, where: str) -> bool:
    """Return whether what a hook returned says STOP, awaited where that is needed. Raise UsageError
    for any other value."""
    if hasattr(result, "__await__"):
        result = await result
    if result is None or result is STOP:
        return result is STOP
    raise UsageError(
        f"the hook {where} returned {shown(result)}; expected None or STOP. To answer, set "
        "ctx.response and return STOP"
    )
