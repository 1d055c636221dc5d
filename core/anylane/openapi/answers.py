"""Answers: what the handler of an operation sends, by status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from anylane.openapi.docstrings import summary_and_description
from anylane.openapi.refusals import problem_content
from anylane.openapi.scalars import SCALARS
from anylane.openapi.schemas import Schemas
from anylane.protocol.fields import PHRASES
from anylane.routing.route import Route
from anylane.typed.signature import CONTEXT

_JSON = "application/json"


def answers_of(route: Route, schemas: Schemas) -> dict[int, dict[str, Any]]:
    """Return the answers of a route's handler, as responses by status: those that its annotation
    says, and those that were given as `responses=`."""
    found = _annotated(route, schemas)
    given = route.documentation.responses
    if not found and not any(status < 400 for status in given):
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
    if route.plan is None:
        return found
    for answer in route.plan.answers:
        status = answer.status or _usual_status(route, answer.kind)
        if answer.kind in (None, type(None)):
            if status is not None:
                found.setdefault(status, {"description": ""})
            continue
        if answer.media_type is None:
            found.setdefault(status, {"description": ""})
            continue
        schema = _schema(answer.kind, answer.media_type, schemas, f"the answer of {route.where}")
        content = found.setdefault(status, {"description": ""}).setdefault("content", {})
        known = content.get(answer.media_type)
        if known is not None:
            schema = {"anyOf": [*known["schema"].get("anyOf", [known["schema"]]), schema]}
        content[answer.media_type] = {"schema": schema}
    return found


def _schema(kind: Any, media_type: str, schemas: Schemas, needed_by: str) -> dict[str, Any]:
    if media_type.startswith("text/"):
        return {"type": "string"}
    if media_type == "application/octet-stream":
        return {"type": "string", "format": "binary"}
    return schemas.of(kind, needed_by)


def _usual_status(route: Route, kind: Any = ...) -> int:
    """Return the status of an answer that sets none: 204 for None, where the handler has no Context
    to answer with."""
    if route.status is not None:
        return route.status
    answers_itself = route.plan is None or any(
        each.where == CONTEXT for each in route.plan.parameters
    )
    return 204 if kind in (None, type(None)) and not answers_itself else 200


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
    media_type = getattr(answer, "media_type", None)
    if not isinstance(media_type, str):
        media_type = _JSON
    schema = (
        _schema(answer, media_type, schemas, f"responses[{status}] of {route.where}")
        if media_type == _JSON or media_type.startswith("text/")
        else {"type": "string", "format": "binary"}
    )
    return {
        "description": description or _first_line(answer),
        "content": {media_type: {"schema": schema}},
    }


def _first_line(kind: Any) -> str:
    """Return what the docstring of a class of the user's says; nothing for any other type."""
    if not isinstance(kind, type) or kind in SCALARS or issubclass(kind, Mapping | list):
        return ""
    text = kind.__doc__ or ""
    # That of a dataclass without one is its signature.
    return "" if text.startswith(f"{kind.__name__}(") else summary_and_description(text)[0] or ""
