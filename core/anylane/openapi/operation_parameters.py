"""Parameters: those of an operation, from the pattern of its route and from its handler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anylane.openapi.joining import name_of
from anylane.openapi.paths import parameters_of
from anylane.openapi.texts import as_json, bounded, text_schema
from anylane.routing.route import Route
from anylane.typed.constraints import compiled
from anylane.typed.signature import REQUIRED, Parameter

_IGNORED = frozenset(("accept", "content-type", "authorization"))
"""Header fields that OpenAPI describes elsewhere, and not as parameters (OpenAPI 3.1 §4.8.12.2)."""


def _handshake(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "schema": schema}


_HANDSHAKE = [
    _handshake("Connection", {"const": "Upgrade"}),
    _handshake("Upgrade", {"const": "websocket"}),
    _handshake("Sec-WebSocket-Version", {"const": "13"}),
    _handshake("Sec-WebSocket-Key", {"type": "string", "pattern": "^[A-Za-z0-9+/]{22}==$"}),
]
"""What every handshake has (RFC 6455 §4.1)."""


def typed_parameters(route: Route) -> list[Parameter]:
    """Return what a route's handler and its dependencies take of a request. Several may take one
    value."""
    if route.plan is None:
        return []
    return [
        *route.plan.parameters,
        *(p for need in route.plan.needs for p in need.plan.parameters),
    ]


def by_value(parameters: Iterable[Parameter]) -> list[list[Parameter]]:
    """Return parameters in groups, each of those that take the same value."""
    found: dict[tuple[str, str], list[Parameter]] = {}
    for each in parameters:
        found.setdefault((each.where, name_of(each.where, each.key)), []).append(each)
    return list(found.values())


def schema_of_all(schemas: Iterable[dict[str, Any]], *, required: bool) -> dict[str, Any]:
    """Return the schema of a text that has to fit all of these: each reads it by itself.

    required: whether it may not be left out. A default then says nothing, nor do two.
    """
    schemas = list(schemas)
    defaults = [each.get("default") for each in schemas]
    if required or any(each != defaults[0] for each in defaults):
        schemas = [
            {name: each for name, each in schema.items() if name != "default"} for schema in schemas
        ]
    found, *others = schemas
    for each in others:
        if each == found or not each:
            continue
        if each.get("type") == found.get("type"):
            found = {"allOf": [found, each]}
        elif not found or found.get("type") == "string":
            found = each  # Any text is a string, so the other says more.
    return found


def described_parameters(route: Route, typed: Iterable[Parameter]) -> list[dict[str, Any]]:
    """Return the parameters of an operation: path, query, header fields, cookies."""
    typed = list(typed)
    of_the_path = {each.key: each for each in typed if each.where == "path"}
    found = []
    for part in parameters_of(route.pattern):
        known = of_the_path.get(part.name)
        schema = dict(part.schema)
        if known is not None:
            schema = _narrowed(schema, known)
        description = _description(known) or part.description
        found.append(_entry(part.name, "path", schema, description, required=True))
    if route.websocket:
        found += [dict(each) for each in _HANDSHAKE]
    for group in by_value(typed):
        first = group[0]
        if first.where not in ("query", "header", "cookie"):
            continue
        if first.where == "header" and first.key.lower() in _IGNORED:
            continue
        required = any(each.default is REQUIRED for each in group)
        schema = schema_of_all(
            (
                with_details(bounded(text_schema(each.kind), each.constraints), each)
                for each in group
            ),
            required=required,
        )
        description = next(filter(None, map(_description, group)), None)
        found.append(_entry(first.key, first.where, schema, description, required=required))
    return found


def with_details(schema: Mapping[str, Any], parameter: Parameter) -> dict[str, Any]:
    """Return a schema with the default and the examples of a parameter."""
    found = dict(schema)
    if parameter.default is not REQUIRED and parameter.default is not None:
        value, check = as_json(parameter.default), compiled(parameter.constraints)[0]
        # A default need not be what a client may send, and then says nothing to one.
        if value is not None and (check is None or check(parameter.default)):
            found["default"] = value
    marker = parameter.marker
    examples = [] if marker is None else [as_json(each) for each in marker.examples]
    if examples:
        found["examples"] = examples
    return found


def can_fail(parameter: Parameter) -> bool:
    """Return whether a request can have a value that a parameter does not take."""
    if parameter.where in ("body", "form"):
        return True
    if parameter.where not in ("path", "query", "header", "cookie"):
        return False
    needed = parameter.default is REQUIRED and parameter.where != "path"
    return needed or parameter.kind not in (str, Any) or bool(parameter.constraints)


def _narrowed(schema: dict[str, Any], parameter: Parameter) -> dict[str, Any]:
    """Return the schema of a path's parameter with what its handler says besides."""
    if schema == {"type": "string", "minLength": 1} and parameter.kind is not Any:
        own = text_schema(parameter.kind)
        schema = {**schema, **own} if own.get("type") == "string" else own
    return with_details(bounded(schema, parameter.constraints), parameter)


def _description(parameter: Parameter | None) -> str | None:
    if parameter is None:
        return None
    said = [getattr(each, "description", None) for each in (parameter.marker, *parameter.metadata)]
    return next((each for each in said if isinstance(each, str)), None)


def _entry(
    name: str, where: str, schema: dict[str, Any], description: str | None, *, required: bool
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "in": where, "required": required, "schema": schema}
    return entry if description is None else {**entry, "description": description}
