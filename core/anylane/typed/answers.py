"""Answers: what a handler returns, held to its annotation and encoded."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from anylane import json
from anylane.errors import HTTPError, UsageError
from anylane.http.response import JSON, Response
from anylane.typed.shapes import Items, Shape, Shapes, Unfit, has_fields
from anylane.typed.signature import without_none

if TYPE_CHECKING:
    from anylane.handling.context import Context

Answer = Callable[["Context", Any], Any]
"""Takes the Context and what a handler returned. It makes that the response and returns None, or
returns what is made the response as without an annotation."""

JSON_LINES = "application/jsonl"
"""The media type of one JSON value on each line. None is registered; this is the usual one."""


def answer_of(hint: Any, where: str) -> Answer | None:
    """Return what holds a handler's answers to its annotation; None for one that says nothing of
    fields. where: the handler, for messages.
    """
    if hint is None or hint is Any:
        return None
    inner = _iterated(hint)
    if inner is not None:
        return None if inner in (str, bytes, Any) else _lines(_shape(inner, where), where)
    kind, _ = without_none(hint)
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    valued = [each for each in kinds if not _is_response(each)]
    if not any(has_fields(each) for each in valued):
        return None
    shape = _shape(Union[tuple(valued)], where)  # noqa: UP007  # of as many as there are
    allows_none = NoneType in get_args(hint)

    def answer(ctx: Context, value: Any) -> Any:
        if value is None:
            _check_none(ctx, where, shape.name, allowed=allows_none)
            return None
        if _is_response(type(value)) or ctx.exchange.started:
            return value
        _put(ctx, _encoded(shape, value, where))
        return None

    return answer


def _put(ctx: Context, body: bytes) -> None:
    if ctx._response is None:
        ctx._response = Response.whole(body, JSON)
    else:
        ctx._response.set_body(body, JSON)


def _iterated(hint: Any) -> Any:
    """Return the type of the items of an iterator's annotation; None for any other."""
    origin = get_origin(hint)
    if origin in _ITERATORS or (
        isinstance(origin, type) and issubclass(origin, Iterator | AsyncIterator)
    ):
        return get_args(hint)[0]
    return None


_ITERATORS = (AsyncIterable, Iterable)


def _is_response(kind: Any) -> bool:
    """Return whether values of a type are answers by themselves, as a FileResponse is."""
    kind = get_origin(kind) or kind
    if not isinstance(kind, type):
        return False
    return issubclass(kind, Response | HTTPError) or hasattr(kind, "respond")


def _shape(kind: Any, where: str) -> Shape:
    return Shapes(f"the answer of {where}").of(kind)


def _check_none(ctx: Context, where: str, name: str, *, allowed: bool) -> None:
    """Raise UsageError where nothing was returned or set, though the annotation promises it."""
    if allowed or ctx.exchange.started:
        return
    response = ctx._response
    if response is None or (response.status is None and response.body is None):
        raise UsageError(f"{where} returned None; its annotation says {name}")


def _encoded(shape: Shape, value: Any, where: str) -> bytes:
    try:
        return json.dumps(value if shape.is_exact(value) else shape.project(value, ""))
    except Unfit as exc:
        raise UsageError(f"the answer of {where} does not fit its annotation: {exc}") from exc


def _lines(shape: Shape, where: str) -> Answer:
    """Return what sends each item of an iterator as a line of JSON."""

    async def from_async(items: AsyncIterator[Any]) -> AsyncIterator[bytes]:
        try:
            async for item in items:
                yield _encoded(shape, item, where) + b"\n"
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    def from_sync(items: Iterator[Any]) -> Iterator[bytes]:
        try:
            for item in items:
                yield _encoded(shape, item, where) + b"\n"
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def answer(ctx: Context, value: Any) -> Any:
        if isinstance(value, AsyncIterator):
            found: Any = from_async(value)
        elif isinstance(value, Iterator):
            found = from_sync(value)
        elif value is None or _is_response(type(value)) or ctx.exchange.started:
            return value
        else:  # `Iterable[User]` is a list, too.
            _put(ctx, _encoded(Items(shape), value, where))
            return None
        if "content-type" not in ctx.response.headers:
            ctx.response.set_header("content-type", JSON_LINES)
        return found

    return answer
