"""Answers: what a handler returns, held to its annotation and encoded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import TYPE_CHECKING, Any, get_origin
from uuid import UUID

from anylane import json
from anylane.errors import RouteError, UsageError
from anylane.http.response import JSON, Response
from anylane.realtime.event_stream import EventStream
from anylane.typed.annotations import Shapes, either, has_fields
from anylane.typed.answer_types import JSON_LINES, AnswerType, answers_by_itself, class_of
from anylane.typed.shapes import Items, Shape, Unfit, is_exact

if TYPE_CHECKING:
    from anylane.handling.context import Context

Answer = Callable[["Context", Any], Any]
"""Takes the Context and what a handler returned. It makes that the response and returns None, or
returns what is made the response as without an annotation."""


def answer_of(types: tuple[AnswerType, ...], where: str) -> Answer | None:
    """Return what holds a handler's answers to its annotation; None for one that says nothing of
    fields and of statuses.

    types: the answers that the annotation names. where: the handler, for messages. Raise RouteError
    for what no handler returns.
    """
    if any(each.kind is EventStream for each in types):
        raise RouteError(
            f"the answer of {where} is an EventStream, which no handler returns: "
            "ctx.event_stream() sends it; write `-> None`, and responses={200: EventStream} at the "
            "route"
        )
    if not any(each.status is not None or _is_held(each) for each in types):
        return None
    return Held(types, where).answer


def _is_held(answer: AnswerType) -> bool:
    if answer.is_iterator:
        return answer.kind not in _SENT_AS_THEY_ARE
    if answers_by_itself(answer.kind):
        return False
    cls = get_origin(answer.kind) or answer.kind
    return (
        has_fields(answer.kind)
        or issubclass(class_of(answer), _JSON_BY_ANNOTATION)
        or (
            isinstance(cls, type)
            and issubclass(cls, Collection)
            and not issubclass(cls, _AS_WITHOUT_ANNOTATION)
        )
    )


_JSON_BY_ANNOTATION = (date, time, timedelta, UUID, Decimal, Enum, set, frozenset)
"""What is sent as JSON where an annotation says so. Without one it is taken for a mistake."""

_AS_WITHOUT_ANNOTATION = (list, Mapping, str, bytes, bytearray, memoryview)
"""The containers that need no annotation to be sent. A tuple does: it is taken for a mistake, as
(body, status) would be."""

_SENT_AS_THEY_ARE = (str, bytes, Any)
"""The items of iterators that are no lines of JSON."""


@dataclass(frozen=True, slots=True)
class Case:
    """The members of an annotation that have one status."""

    status: int | None
    classes: frozenset[type]
    """Those of most of their values."""
    shape: Shape


class Held:
    """Makes the response of what one handler returns. where: names it in messages."""

    __slots__ = ("_in_responses", "_item", "_item_status", "_items", "_known", "_name", "_nones",
                 "_plain", "_text_status", "_where")  # fmt: skip

    def __init__(self, types: tuple[AnswerType, ...], where: str) -> None:
        self._where = where
        self._nones = [each for each in types if each.kind is NoneType]
        valued = [
            each for each in types if each.kind is not NoneType and not answers_by_itself(each.kind)
        ]
        wrapped = [each for each in valued if each.in_response]
        bare = [each for each in valued if not each.in_response]
        shapes = Shapes(f"the answer of {where}")
        self._plain = _cases(bare or valued, shapes)
        self._in_responses = _cases(wrapped or valued, shapes)
        self._known: frozenset[type] = frozenset().union(*(each.classes for each in self._plain))
        """The classes that need no further look at what kind of answer they are."""
        self._name = " or ".join(case.shape.name for case in self._plain)
        self._text_status = next(
            (each.status for each in (*wrapped, *valued) if class_of(each) in (str, bytes)), None
        )
        items = [each for each in valued if each.is_iterator]
        self._items = bool(items)
        self._item: Shape | None = None
        """What each item is held to."""
        if items and not any(each.kind in _SENT_AS_THEY_ARE for each in items):
            self._item = either([shapes.of(each.kind) for each in items])
        self._item_status = items[0].status if items else None

    def answer(self, ctx: Context, value: Any) -> Any:
        """Do what an Answer does."""
        if value is None:
            self._check_none(ctx)
            return None
        if ctx.exchange.started:
            return value
        if type(value) not in self._known:
            if isinstance(value, Response):
                return self._from_response(ctx, value)
            if answers_by_itself(type(value)):
                return value
            if self._items and isinstance(value, AsyncIterator | Iterator):
                return self._lines(ctx, value)
        if not self._plain:
            return value
        status, found = self._fitted(self._plain, value)
        if isinstance(value, str | bytes):
            _default_status(ctx, status)
            return value
        body = self._encoded(found)
        if ctx._response is None:
            ctx._response = Response.whole(body, JSON)
        else:
            ctx._response.set_body(body, JSON)
        _default_status(ctx, status)
        return None

    def _check_none(self, ctx: Context) -> None:
        """Raise UsageError where nothing was returned or set, though the annotation promises it."""
        if ctx.exchange.started:
            return
        response = ctx._response
        if response is None or (response.status is None and response.body is None):
            if not self._nones:
                raise UsageError(f"{self._where} returned None; its annotation says {self._name}")
            _default_status(ctx, self._nones[0].status)

    def _fitted(self, cases: tuple[Case, ...], value: Any) -> tuple[int | None, Any]:
        """Return the status of a value, and the value with the fields of its type alone. Raise
        UsageError for one that fits nothing."""
        try:
            if len(cases) == 1:
                shape = cases[0].shape
                try:
                    found = value if shape.is_exact(value) else shape.project(value, "")
                except RecursionError:  # It is too deep to look through.
                    found = shape.project(value, "")
                return cases[0].status, found
            nearest = _nearest(cases, value)
            for case in cases if nearest is None else (nearest, *cases):
                try:
                    return case.status, case.shape.project(value, "")
                except Unfit:
                    continue
            expected = " or ".join(case.shape.name for case in cases)
            raise Unfit("", expected, value) if nearest is None else _unfit(nearest, value)
        except TypeError as exc:
            raise self._misfit(exc) from exc

    def _encoded(self, value: Any) -> bytes:
        try:
            return json.dumps(value)
        except TypeError as exc:
            raise self._misfit(exc) from exc

    def _misfit(self, exc: TypeError) -> UsageError:
        return UsageError(f"the answer of {self._where} does not fit its annotation: {exc}")

    def _from_response(self, ctx: Context, value: Response) -> Response | None:
        """Hold the value of a Response to the annotation. What was text or bytes passes."""
        held = value.unencoded()
        if held is None and (self._text_status is None or value.body is None):
            return value
        made = value.succeed(ctx.response)
        status = self._text_status
        if held is not None and self._in_responses:
            status, found = self._fitted(self._in_responses, held)
            made.set_body(self._encoded(found), JSON)
        ctx.response = made
        _default_status(ctx, status)
        return None

    def _lines(self, ctx: Context, items: AsyncIterator[Any] | Iterator[Any]) -> Any:
        """Return what sends each item as a line of JSON."""
        _default_status(ctx, self._item_status)
        if self._item is None:
            return items
        if "content-type" not in ctx.response.headers:
            ctx.response.set_header("content-type", JSON_LINES)
        if isinstance(items, AsyncIterator):
            return self._async_lines(items, self._item)
        return self._sync_lines(items, self._item)

    def _line(self, item: Any, shape: Shape) -> bytes:
        try:
            found = item if is_exact(shape, item) else shape.project(item, "")
            return json.dumps(found) + b"\n"
        except TypeError as exc:
            raise self._misfit(exc) from exc

    async def _async_lines(self, items: AsyncIterator[Any], shape: Shape) -> AsyncIterator[bytes]:
        try:
            async for item in items:
                yield self._line(item, shape)
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    def _sync_lines(self, items: Iterator[Any], shape: Shape) -> Iterator[bytes]:
        try:
            for item in items:
                yield self._line(item, shape)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()


def _cases(members: list[AnswerType], shapes: Shapes) -> tuple[Case, ...]:
    """Return one case for each status, in order."""
    found = []
    for status in dict.fromkeys(each.status for each in members):
        same = [each for each in members if each.status == status]
        found.append(
            Case(
                status,
                frozenset(list if each.is_iterator else class_of(each) for each in same),
                either(
                    [
                        # An `Iterable[User]` may be a list.
                        Items(shapes.of(each.kind)) if each.is_iterator else shapes.of(each.kind)
                        for each in same
                    ]
                ),
            )
        )
    return tuple(found)


def _nearest(cases: tuple[Case, ...], value: Any) -> Case | None:
    """Return the case that has the class of a value, or else the first of its base classes."""
    for base in type(value).__mro__[:-1]:
        for case in cases:
            if base in case.classes:
                return case
    return None


def _unfit(case: Case, value: Any) -> Unfit:
    """Return what keeps a value from being of a case."""
    try:
        case.shape.project(value, "")
    except Unfit as exc:
        return exc
    raise AssertionError("it fits")


def _default_status(ctx: Context, status: int | None) -> None:
    """Set the status of the annotation where none is set."""
    if status is not None and ctx.response.status is None:
        ctx.response.set_status(status)
