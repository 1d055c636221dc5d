"""What a handler returned is put into the response here. Each kind of value has one rule."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import is_dataclass
from functools import lru_cache
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Protocol,
    TypeGuard,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from anylane import json
from anylane.callables import called, is_coroutine_function
from anylane.errors import HTTPError, UsageError
from anylane.handling.blocking import PooledIterator
from anylane.http.response import JSON, TEXT, Response
from anylane.shown import shown

if TYPE_CHECKING:
    from anylane.handling.context import Context


_JSON = (dict, list, int, float, bool)


@lru_cache(maxsize=512)
def returns_json(handler: Callable[..., Any]) -> bool:
    """Return whether a function says in its annotation that it returns what becomes JSON."""
    try:
        hint = get_type_hints(called(handler)).get("return")
    except Exception:  # noqa: BLE001  # An annotation is any expression, and may name what is gone.
        return False
    kinds = get_args(hint) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,)
    inner = (get_args(kind)[0] if get_origin(kind) is Response else kind for kind in kinds)
    origins = [get_origin(kind) or kind for kind in inner]
    return any(
        isinstance(kind, type) and (issubclass(kind, _JSON) or is_dataclass(kind))
        for kind in origins
    )


@runtime_checkable
class Answer(Protocol):
    """An object that a handler may return, and that answers by itself."""

    async def respond(self, ctx: Any, /) -> None:
        """Fill in `ctx.response`. What it raises is the handler's failure, an HTTPError its
        answer."""


async def apply_result(ctx: Context, value: Any, where: str) -> None:
    """Make `value` the response; status, headers and cookies that are already set stay.

    where: what returned it, for the message. None changes nothing. Raise UsageError for a value
    without a rule, and if the response was sent already; raise what a returned iterator raises
    before its first item.
    """
    if value is not None and (begun := put_result(ctx, value, where)) is not None:
        await begun


def put_routed(ctx: Context, value: Any) -> Awaitable[None] | None:
    """Do what `put_result` does with what a route's handler has returned."""
    kind = type(value)
    if (kind is str or kind is dict) and not ctx.exchange.started:
        # Most values are one of these: as `set_text` and `set_json`, without the calls. One piece
        # of "The plan of a fast answer" in docs/performance.md.
        body, content_type = (
            (value.encode("utf-8"), TEXT) if kind is str else (json.dumps(value), JSON)
        )
        if ctx._response is None:
            ctx._response = Response.whole(body, content_type)
        else:
            ctx._response.set_body(body, content_type)
        return None
    assert ctx.route is not None, "what answers without a route gives nothing"
    return put_result(ctx, value, ctx.route.where)


def put_result(ctx: Context, value: Any, where: str) -> Awaitable[None] | None:
    """Make `value`, which is not None, the response, as `apply_result` does.

    Return None for most values, which need no coroutine. Return an awaitable for an iterator, which
    has to give its first item, and for an object with `async def respond(ctx)`, which fills in
    `ctx.response`: await it. Raise an HTTPError that was returned.
    """
    if ctx.exchange.started:
        raise UsageError(f"{where} returned {shown(value)} after the response was sent")
    response = ctx.response
    if isinstance(value, str):
        response.set_text(value)
    elif isinstance(value, bytes):
        response.set_body(value)
    elif isinstance(value, _JSON) or (is_dataclass(value) and not isinstance(value, type)):
        response.set_json(value)
    elif isinstance(value, Response):
        ctx.response = value.succeed(response)
    elif isinstance(value, HTTPError):
        raise value
    elif isinstance(value, AsyncIterator):
        return AsyncItems(value).begin(ctx)
    elif isinstance(value, Iterator):
        return SyncItems(ctx, value).begin(ctx)
    elif _answers(value):
        return value.respond(ctx)
    elif isinstance(value, Coroutine):
        value.close()  # Else Python warns that it was never awaited, but much later and elsewhere.
        name = getattr(value, "__qualname__", "a coroutine")
        raise UsageError(f"{where} returned {name}() without awaiting it; write `return await ...`")
    else:
        # Other frameworks take (body, status), so that is what people try.
        hint = ". A status goes with Response(body, status)" if isinstance(value, tuple) else ""
        raise UsageError(
            f"{where} returned a {type(value).__name__}: {shown(value)}; expected str, bytes, "
            "dict, list, dataclass, number, Response, iterator, an object with "
            f"`async def respond(ctx)`, or None{hint}"
        )
    return None


def _answers(value: object) -> TypeGuard[Answer]:
    return (
        isinstance(value, Answer)
        and not isinstance(value, type)
        and is_coroutine_function(value.respond)
    )


_END = PooledIterator.END


class Items:
    """The body of a response whose handler returned an iterator.

    The first item is taken at once, so that an exception before it is answered as the handler's.
    The others are taken when the response is sent, after the response hooks.
    """

    __slots__ = ("_first",)

    async def begin(self, ctx: Context) -> None:
        """Take the first item, and make this the body of the response. Set the content type if
        there is none: text for a str, else bytes. Raise what the iterator raises."""
        if ctx.items is not None:
            await ctx.items.close()  # What is not sent, because something else is.
        ctx.items = self
        self._first = await self.next()
        response = ctx.response
        response.items = self
        if "content-type" not in response.headers:
            kind = "text/plain; charset=utf-8"
            if not isinstance(self._first, str):
                kind = "application/octet-stream"
            response.set_header("content-type", kind)

    async def send(self, ctx: Context) -> None:
        """Send the response, each item as one chunk. HEAD takes no item: the iterator may never
        end, and its client reads no body.

        Raise Disconnected if the client leaves, and what the iterator raises.
        """
        item = self._first
        async with ctx.stream() as out:
            while item is not _END and ctx.request.method != "HEAD":
                await out.write(item)
                item = await self.next()

    async def next(self) -> Any:
        """Return the next item, or _END. Raise what the iterator raises."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the iterator, so that its `finally` blocks run, whether it was sent or not."""
        raise NotImplementedError


class AsyncItems(Items):
    """An async iterator, advanced in the exchange's task."""

    __slots__ = ("_items",)

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items

    async def next(self) -> Any:
        """Return the next item, or _END."""
        return await anext(self._items, _END)

    async def close(self) -> None:
        """Close the iterator, if it can be closed."""
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


class SyncItems(Items):
    """A sync iterator, advanced in the pool."""

    __slots__ = ("_pooled",)

    def __init__(self, ctx: Context, items: Iterator[Any]) -> None:
        self._pooled = PooledIterator(ctx.link, items, ctx.calls())

    async def next(self) -> Any:
        """Return the next item, or _END."""
        return await self._pooled.next()

    async def close(self) -> None:
        """Have the iterator closed in the pool (see `PooledIterator.close`)."""
        await self._pooled.close()
