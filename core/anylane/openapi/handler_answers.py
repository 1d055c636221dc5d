"""Responses: what the handler of an operation sends, by status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from anylane.errors import HTTPError
from anylane.http.response import BYTES, JSON
from anylane.openapi.docstrings import summary_and_description
from anylane.openapi.joining import either
from anylane.openapi.refusals import problem_content
from anylane.openapi.schemas import Schemas
from anylane.openapi.texts import SCALARS
from anylane.protocol.fields import PHRASES
from anylane.routing.route import Route
from anylane.typed.answer_types import JSON_LINES, AnswerType, answer_types
from anylane.typed.signature import CONTEXT

_BINARY = {"type": "string", "format": "binary"}


def answers_of(route: Route, schemas: Schemas) -> dict[int, dict[str, Any]]:
    """Return the answers of a route's handler, as responses by status: those that its annotation
    says, and those that were given as `responses=`."""
    found = _annotated(route, schemas)
    given = route.documentation.responses
    if not any("content" in entry for entry in found.values()):
        # An annotation that says nothing of the answer: what is given says all.
        if any(status < 400 for status in given):
            found.clear()
        elif not found:
            found[_usual_status(route)] = {"description": ""}
    for status, answer in given.items():
        entry = _given(answer, status, route, schemas)
        # A text says when an answer comes whose type the annotation has.
        found[status] = {**found.get(status, {}), **entry} if status < 400 else entry
    for status, entry in found.items():
        entry["description"] = entry["description"] or PHRASES.get(status, "An answer")
    return found


def _annotated(route: Route, schemas: Schemas) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for answer in () if route.plan is None else route.plan.answers:
        status = answer.status or _usual_status(route, answer.kind)
        entry = found.setdefault(status, {"description": ""})
        entry["description"] = entry["description"] or answer.description or ""
        if isinstance(answer.kind, type) and issubclass(answer.kind, HTTPError):
            entry["content"] = problem_content(route)[0]
        for media_type, schema in _contents(answer, schemas, f"the answer of {route.where}"):
            content = entry.setdefault("content", {})
            known = content.setdefault(media_type, {"schema": schema})
            content[media_type] = {"schema": either(known["schema"], schema)}
    return found


def _contents(
    answer: AnswerType, schemas: Schemas, needed_by: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the media types of an answer, with the schema of each."""
    own = getattr(answer.kind, "media_type", None) if isinstance(answer.kind, type) else None
    if isinstance(own, str):  # A class that answers by itself, as EventStream does.
        yield own, {}
        return
    if answer.media_type is None:
        return
    schema = _schema(answer.kind, answer.media_type, schemas, needed_by)
    yield answer.media_type, schema
    if answer.takes_lists and answer.media_type == JSON_LINES:
        yield JSON, {"type": "array", "items": schema}


def _schema(kind: Any, media_type: str, schemas: Schemas, needed_by: str) -> dict[str, Any]:
    if media_type.startswith("text/"):
        return {"type": "string"}
    if media_type == BYTES:
        return dict(_BINARY)
    return schemas.of(kind, needed_by, sent=True)


def _usual_status(route: Route, kind: Any = ...) -> int:
    """Return the status of an answer that sets none: 204 for None, where the handler has no Context
    to answer with."""
    if route.status is not None:
        return route.status
    typed = route.endpoint is not None and not any(
        each.where == CONTEXT for each in route.plan.parameters
    )
    return 204 if kind is NoneType and typed else 200


def _given(answer: Any, status: int, route: Route, schemas: Schemas) -> dict[str, Any]:
    """Return an answer of `responses=`."""
    if answer is None:
        return {"description": ""}
    if isinstance(answer, str):
        entry: dict[str, Any] = {"description": answer}
        if status >= 400:
            entry["content"] = problem_content(route)[0]
        return entry
    description = ""
    if get_origin(answer) is Annotated:
        answer, *rest = get_args(answer)
        description = next((each for each in rest if isinstance(each, str)), "")
    where = f"responses[{status}] of {route.where}"
    content = {
        media_type: {"schema": schema}
        for each in answer_types(answer, where)
        for media_type, schema in _contents(each, schemas, where)
    }
    return {"description": description or _first_line(answer), "content": content}


def _first_line(kind: Any) -> str:
    """Return what the docstring of a class of the user's says; nothing for any other type."""
    if not isinstance(kind, type) or kind in SCALARS or issubclass(kind, Mapping | list):
        return ""
    text = kind.__doc__ or ""
    # That of a dataclass without one is its signature.
    return "" if text.startswith(f"{kind.__name__}(") else summary_and_description(text)[0] or ""
