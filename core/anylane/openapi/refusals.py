"""Refusals: the answers that a client gets from the framework itself, before and instead of those
of a handler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anylane.openapi.operation_parameters import can_fail
from anylane.routing.documentation import PartDocumentation
from anylane.routing.parts import parts_of
from anylane.routing.route import Route
from anylane.typed.signature import Parameter

PROBLEM, INVALID = "ProblemDetails", "ValidationProblem"

COMPONENTS: dict[str, Any] = {
    PROBLEM: {
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "properties": {
            "title": {"type": "string", "description": "The phrase of the status."},
            "status": {"type": "integer", "description": "The status of the answer."},
            "detail": {"type": "string", "description": "What went wrong this time."},
            "errors": {"description": "More of it, as data."},
        },
        "required": ["title", "status"],
    },
    INVALID: {
        "type": "object",
        "description": "Values of the request that are missing or wrong (RFC 9457).",
        "properties": {
            "title": {"type": "string"},
            "status": {"const": 422},
            "detail": {"type": "string", "description": "The first of them."},
            "errors": {
                "type": "array",
                "minItems": 1,
                "maxItems": 50,
                "items": {
                    "type": "object",
                    "properties": {
                        "location": {"enum": ["path", "query", "header", "cookie", "form", "body"]},
                        "field": {
                            "type": "string",
                            "description": "Its name; in a body its place, such as items.0.price.",
                        },
                        "expected": {"type": "string", "description": "What it has to be."},
                        "seen": {
                            "type": "string",
                            "description": "What was sent, shortened; left out if it is missing.",
                        },
                    },
                    "required": ["location", "field", "expected"],
                },
            },
        },
        "required": ["title", "status", "detail", "errors"],
    },
}
"""The schemas of these answers, by name."""

_MALFORMED = "The request is malformed."
_NOT_FOUND = "There is nothing at this path."
_GUARDED = "Other methods only are answered here, for a request such as this."
_TOO_LARGE = "The body is larger than is taken here."
_MEDIA_TYPE = "The body is of another media type."
_INVALID = "Values are missing or wrong: each is named."


def refusals_of(
    route: Route, method: str, parameters: Iterable[Parameter]
) -> dict[int, dict[str, Any]]:
    """Return the refusals of an operation, as responses by status.

    method: of the operation. parameters: what its handler takes.
    """
    parameters = list(parameters)
    found: dict[int, str] = {}
    sources = {each.where for each in parameters}
    if sources & {"query", "form", "body"} or route.websocket:
        found[400] = _MALFORMED
    if route.pattern.names or route.when is not None:
        found[404] = _NOT_FOUND
    if route.when is not None:
        found[405] = _GUARDED
    if sources & {"form", "body"}:
        found[413], found[415] = _TOO_LARGE, _MEDIA_TYPE
    if any(can_fail(each) for each in parameters):
        found[422] = _INVALID
    if route.origins is not None:
        found[403] = "Pages of this origin may not open it."
    if route.websocket:
        found[426] = "The request is no handshake of this version of WebSocket."
    headers: dict[int, dict[str, Any]] = {}
    for documentation in documented_parts(route, method):
        for status, text in documentation.responses.items():
            found.setdefault(status, text)
            headers.setdefault(status, {}).update(documentation.headers.get(status, {}))
    content = problem_content(route)
    return {
        status: {
            "description": text,
            **({"headers": headers[status]} if headers.get(status) else {}),
            **({} if status < 400 else {"content": content[status == 422]}),
        }
        for status, text in found.items()
    }


def documented_parts(route: Route, method: str) -> list[PartDocumentation]:
    """Return what the parts that see a route's requests say about its answers."""
    found = []
    for part in parts_of(route):
        describe = getattr(part, "documentation", None)
        if callable(describe):
            said = describe(method)
            if isinstance(said, PartDocumentation):
                found.append(said)
    return found


def problem_content(route: Route) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the content of a problem, and of one that names wrong values, as the routers of a
    route have it written."""
    form = next((hooks.errors for hooks in route.hooks[::-1] if hooks.errors != "auto"), "auto")
    text = {"text/plain": {"schema": {"type": "string"}}}

    def content(name: str) -> dict[str, Any]:
        if form == "text":
            return text
        found = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        return found if form == "json" else {**found, **text}

    return content(PROBLEM), content(INVALID)
