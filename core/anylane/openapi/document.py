"""Document: the OpenAPI description of an app, as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anylane.openapi.info import Info
from anylane.openapi.joining import join
from anylane.openapi.operation_ids import OperationIds
from anylane.openapi.operations import Operations
from anylane.openapi.paths import parameters_of, shape_of, template_of
from anylane.openapi.refusals import COMPONENTS
from anylane.routing.route import Route

VERSION = "3.1.1"
"""Of OpenAPI."""

_METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
"""Those that a Path Item has a place for (OpenAPI 3.1 §4.8.9)."""

_OTHERS = "x-oai-additionalOperations"
"""Where OpenAPI 3.2 has operations of other methods, in its form for 3.1."""


def document_of(routes: Iterable[Route], info: Info) -> dict[str, Any]:
    """Return the description of these routes (OpenAPI 3.1.1): the same for the same routes.

    Raise UsageError for what cannot be described: an operation_id that was given twice, a type that
    JSON Schema has no form for, a library that is missing.
    """
    shown = [route for route in routes if route.documentation.include_in_schema]
    operations = Operations(OperationIds(shown))
    paths: dict[str, dict[str, Any]] = {}
    templates: dict[str, str] = {}
    for route in sorted(shown, key=_precedence):
        own = template_of(route.pattern)
        template = templates.setdefault(shape_of(own), own)
        item = paths.setdefault(template, {})
        for method in sorted(route.methods or {"GET"}):
            _add(item, route, method, template, operations)
    order = {templates[shape_of(template_of(route.pattern))]: None for route in shown}
    components = operations.schemas.components(COMPONENTS)
    tags = _tags(shown, info)
    found: dict[str, Any] = {
        "openapi": VERSION,
        "info": info.as_json(),
        "servers": [{"url": url} for url in info.servers],
        "paths": {template: paths[template] for template in order},
        "components": {
            name: each
            for name, each in (
                ("schemas", components),
                ("responses", dict(sorted(operations.shared.components.items()))),
                ("securitySchemes", operations.security.components),
            )
            if each
        },
        "tags": tags,
    }
    return {name: value for name, value in found.items() if value or name == "paths"}


def _precedence(route: Route) -> tuple[int, ...]:
    """Return where a route stands among those that a request may fit: first what is tried first."""
    return tuple(segment.kind for segment in route.pattern.segments)


def _add(
    item: dict[str, Any], route: Route, method: str, template: str, operations: Operations
) -> None:
    """Add an operation to a Path Item. Where there is one of this method already, which answers
    first, it says that there is another."""
    key = method.lower()
    place = item if method in _METHODS else item.setdefault(_OTHERS, {})
    key = key if method in _METHODS else method
    operation = operations.of(route, method, template)
    names = dict(
        zip((part.name for part in parameters_of(route.pattern)), _names(template), strict=True)
    )
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            parameter["name"] = names[parameter["name"]]
    known = place.get(key)
    if known is None:
        place[key] = operation
    else:
        join(known, operation, route.pattern.text)


def _names(template: str) -> list[str]:
    return [each.partition("}")[0] for each in template.split("{")[1:]]


def _tags(routes: Iterable[Route], info: Info) -> list[dict[str, str]]:
    """Return the tags: those that are described, then the others as they come."""
    described = dict(info.tags or {})
    names = [*described, *(tag for route in routes for tag in route.documentation.tags)]
    return [
        {"name": name, **({"description": described[name]} if name in described else {})}
        for name in dict.fromkeys(names)
    ]
