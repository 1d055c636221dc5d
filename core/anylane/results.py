"""What a handler returned, put into the response. One rule for each kind of value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from anylane.calls import PooledIterator
from anylane.errors import UsageError
from anylane.response import Response

if TYPE_CHECKING:
    from anylane.context import Context

_JSON = (dict, list, int, float, bool)


async def apply_result(ctx: Context, value: Any, where: str) -> None:
    """Make `value` the response; status, headers and cookies already set stay.

    where: the handler, for the message. Raises UsageError for a value without a rule.
    """
    if value is None:
        return
    if ctx.exchange.started:
        raise UsageError(f"{where} returned {value!r:.80} after the response was sent")
    response = ctx.response
    if isinstance(value, str):
        response.set_text(value)
    elif isinstance(value, bytes):
        response.set_body(value)
    elif isinstance(value, _JSON) or (is_dataclass(value) and not isinstance(value, type)):
        response.set_json(value)
    elif isinstance(value, Response):
        ctx.response = value
    elif isinstance(value, AsyncIterator):
        await _stream_async(ctx, value)
    elif isinstance(value, Iterator):
        await _stream_sync(ctx, value)
    else:
        raise UsageError(
            f"{where} returned a {type(value).__name__}: {value!r:.80}; expected str, bytes, dict, "
            "list, dataclass, number, Response, iterator or None"
        )


def _default_type(ctx: Context, item: object) -> None:
    if "content-type" not in ctx.response.headers:
        kind = "text/plain; charset=utf-8" if isinstance(item, str) else "application/octet-stream"
        ctx.response.set_header("content-type", kind)


async def _stream_async(ctx: Context, items: AsyncIterator[Any]) -> None:
    end: Any = object()
    try:
        item = await anext(items, end)
        _default_type(ctx, item)
        async with ctx.stream() as out:
            while item is not end:
                await out.write(item)
                item = await anext(items, end)
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


async def _stream_sync(ctx: Context, items: Iterator[Any]) -> None:
    pooled = PooledIterator(ctx.link, items)
    try:
        item = await pooled.next()
        _default_type(ctx, item)
        async with ctx.stream() as out:
            while item is not pooled.END:
                await out.write(item)
                item = await pooled.next()
    finally:
        pooled.close()
