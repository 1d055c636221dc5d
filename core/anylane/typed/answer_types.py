"""Answer types: what a handler may answer, read from its return annotation."""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
)
from dataclasses import dataclass, replace
from itertools import combinations
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    Never,
    NoReturn,
    Union,
    get_args,
    get_origin,
)

from anylane.callables import is_coroutine_function
from anylane.errors import HTTPError, RouteError
from anylane.http.response import BYTES, JSON, TEXT, Response
from anylane.shown import shown
from anylane.typed.status import Status
from anylane.typed.written_types import arguments_of, element_types, is_typed_dict, plain, unwrapped

JSON_LINES = "application/jsonl"
"""The media type of one JSON value on each line. None is registered; this is the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerType:
    """One of the answers that a return annotation names."""

    kind: Any
    """The type: `User` for `User`, `Response[User]` and `Annotated[User, Status(201)]`. That of the
    items for an iterator, NoneType for None, Any where the annotation does not say. A class that
    answers by itself, such as FileResponse, stands for itself."""
    status: int | None = None
    """What `Status` says. None: the status of the route, else 200, or 204 for None."""
    media_type: str | None = None
    """Its media type. None where there is no body, and where the annotation does not say."""
    description: str | None = None
    """What `Status` says of it."""
    in_response: bool = False
    """Whether it is written `Response[...]`, and so may have headers and a status of its own."""
    is_iterator: bool = False
    """Whether it is sent item by item."""
    takes_lists: bool = False
    """Whether it may be a list instead, which is sent whole: `Iterable[User]`."""


def answer_types(hint: Any, where: str) -> tuple[AnswerType, ...]:
    """Return the answers that a return annotation names, in its order.

    An HTTPError is none of them, unless it has a `Status`: its answer is a problem.

    where: the handler, for messages. Raise RouteError for a status that no answer has, and for
    two members whose values cannot be told apart though their statuses differ.
    """
    found = tuple(_members(hint, AnswerType(kind=Any), where))
    for one, other in combinations(found, 2):
        if (
            one.status != other.status
            and one.in_response == other.in_response
            and class_of(one) is class_of(other)
        ):
            raise RouteError(
                f"the answer of {where} may have the status {one.status or 'of the route'} and "
                f"{other.status or 'of the route'}, and in both cases be a "
                f"{class_of(one).__name__}; make them two classes, or return "
                "Response(value, status=...)"
            )
    return found


def class_of(answer: AnswerType) -> type:
    """Return the class of most values of an answer, by which they are told from others."""
    if answer.is_iterator:
        return Iterator
    kind = get_origin(answer.kind) or answer.kind
    if kind is Literal:
        return type(get_args(answer.kind)[0])
    if not isinstance(kind, type):
        return object
    if is_typed_dict(kind) or kind is Mapping or kind is MutableMapping:
        return dict
    return list if kind in (Sequence, MutableSequence, Collection) else kind


def _members(hint: Any, outer: AnswerType, where: str) -> Iterator[AnswerType]:
    """Yield the members of an annotation. outer: what is said of all of them."""
    hint, metadata = unwrapped(hint)
    outer = _with_status(outer, metadata, where)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        for each in arguments:
            yield from _members(each, outer, where)
    elif hint is NoReturn or hint is Never:
        return
    elif hint is None or hint is NoneType:
        yield replace(outer, kind=NoneType)
    elif (arguments := _in_response(hint)) != ():
        if outer.in_response:
            raise RouteError(f"the answer of {where} is a Response in a Response; keep one")
        yield from _members(arguments[0], replace(outer, in_response=True), where)
    elif hint is Response:
        yield replace(outer, in_response=True)
    elif (item := _iterated(hint)) is not None:
        if outer.in_response:
            raise RouteError(
                f"the answer of {where} is an iterator in a Response, which takes a whole value; "
                "return the iterator, and set status and headers on ctx.response"
            )
        whole = origin in (Iterable, AsyncIterable)
        usual = None if item is Any else JSON_LINES
        media = _TEXTS.get(item, usual) if isinstance(item, type) else usual
        _check_body(outer, where)
        yield replace(outer, kind=item, media_type=media, is_iterator=True, takes_lists=whole)
    elif isinstance(hint, type) and issubclass(hint, HTTPError):
        if outer.status is not None:
            yield replace(outer, kind=hint)
    else:
        if not answers_by_itself(hint):
            _check_body(outer, where)
        yield replace(outer, kind=hint, media_type=_media_type(hint))


def _in_response(hint: Any) -> tuple[Any, ...]:
    """Return the type in `Response[User]`, also where a class of the user's has it as its base."""
    cls = get_origin(hint) or hint
    is_response = isinstance(cls, type) and issubclass(cls, Response)
    return arguments_of(hint, Response) if is_response else ()


def _check_body(answer: AnswerType, where: str) -> None:
    """Raise RouteError for a value whose status has no body: it would be dropped."""
    if answer.status in _NO_BODY:
        raise RouteError(
            f"a value in the answer of {where} has the status {answer.status}, which has no body; "
            f"write Annotated[None, Status({answer.status})], or another status"
        )


_NO_BODY = (204, 205, 304)


def _with_status(outer: AnswerType, metadata: Iterable[Any], where: str) -> AnswerType:
    """Return what is said of members, with the first `Status` that an annotation has: the innermost
    stands first."""
    for each in metadata:
        if isinstance(each, Status):
            return replace(outer, status=_checked(each.code, where), description=each.description)
        if each is Status:
            raise RouteError(
                f"the answer of {where} has Status without its code; write Status(404)"
            )
        if isinstance(each, int) and not isinstance(each, bool):
            raise RouteError(f"the answer of {where} has the number {each:d}; write Status(404)")
    return outer


def _checked(code: Any, where: str) -> int:
    if isinstance(code, int) and not isinstance(code, bool) and 200 <= code <= 599:
        return int(code)  # It may be one of http.HTTPStatus.
    raise RouteError(
        f"a status in the answer of {where} is {shown(code)}; expected an int from 200 to 599"
    )


def _iterated(hint: Any) -> Any:
    """Return the type of the items of an iterator's annotation; None for any other."""
    origin = get_origin(hint) or hint
    if origin in (AsyncIterable, Iterable) or (
        isinstance(origin, type) and issubclass(origin, Iterator | AsyncIterator)
    ):
        return plain((element_types(hint) or (Any,))[0])
    return None


_TEXTS: dict[Any, str] = {str: TEXT, bytes: BYTES}


def _media_type(kind: Any) -> str | None:
    if kind is Any or kind is object or answers_by_itself(kind):
        return None
    values = get_args(kind) if get_origin(kind) is Literal else ()
    for cls, media_type in _TEXTS.items():
        if isinstance(kind, type) and issubclass(kind, cls):
            return media_type
        if values and all(isinstance(each, cls) for each in values):
            return media_type
    return JSON


def answers_by_itself(kind: Any) -> bool:
    """Return whether values of a type are answers by themselves, as a FileResponse is."""
    kind = get_origin(kind) or kind
    if not isinstance(kind, type):
        return False
    respond = getattr(kind, "respond", None)
    return issubclass(kind, Response | HTTPError) or (
        callable(respond) and is_coroutine_function(respond)
    )
