"""Joining: OpenAPI has one operation for a method and a path; the routes of guards, hosts and
converters may be several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def join(known: dict[str, Any], other: dict[str, Any], pattern: str) -> None:
    """Add to an operation what another one of the same method and path says.

    Parameters, bodies and answers are those of both, and required is what both require. Credentials
    are those of either. pattern: of the other, which its description names.
    """
    more = f"`{pattern}`: {other.get('summary') or other['operationId']}"
    known["description"] = "\n\n".join(filter(None, (known.get("description"), more)))
    if parameters := _joined_parameters(known.get("parameters", ()), other.get("parameters", ())):
        known["parameters"] = parameters
    if body := _joined_bodies(known.get("requestBody"), other.get("requestBody")):
        known["requestBody"] = body
    if security := _joined_security(known.get("security"), other.get("security")):
        known["security"] = security
    for status, response in other["responses"].items():
        ours_too = known["responses"].get(status)
        known["responses"][status] = (
            response if ours_too is None else joined_responses(ours_too, response)
        )
    known["responses"] = dict(sorted(known["responses"].items()))


def _joined_parameters(
    one: Iterable[dict[str, Any]], other: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    ours, theirs = _by_place(one), _by_place(other)
    for place, parameter in {**theirs, **ours}.items():
        again = theirs.get(place) if place in ours else None
        if again is None:
            parameter["required"] = place[0] == "path"
            continue
        parameter["required"] = parameter["required"] and again["required"]
        schema = parameter["schema"]
        # These are complete, so that they are told apart by what they say.
        if again["schema"] not in (schema, *schema.get("anyOf", ())):
            parameter["schema"] = either(schema, again["schema"])
    return [*ours.values(), *(theirs[each] for each in theirs if each not in ours)]


def _by_place(parameters: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return parameters by where they are and what they are called there."""
    return {(each["in"], name_of(each["in"], each["name"])): each for each in parameters}


def name_of(where: str, name: str) -> str:
    """Return a name as it is told apart there: in a header the case says nothing (RFC 9110
    §5.1)."""
    return name.lower() if where == "header" else name


def _joined_bodies(
    one: dict[str, Any] | None, other: dict[str, Any] | None
) -> dict[str, Any] | None:
    if one is None or other is None:
        found = one or other
        return None if found is None else {**found, "required": False}
    return {
        **other,
        **one,
        "required": one["required"] and other["required"],
        "content": _joined_content(one["content"], other["content"]),
    }


def _joined_security(
    one: list[dict[str, Any]] | None, other: list[dict[str, Any]] | None
) -> list[dict[str, Any]]:
    """Return the alternatives of both. An operation that asks for nothing has one: {}."""
    found: list[dict[str, Any]] = []
    for each in (*(one or [{}]), *(other or [{}])):
        if each not in found:
            found.append(each)
    if {} in found:  # The last one, as where one operation says so.
        found.remove({})
        return [*found, {}] if found else []
    return found


def joined_responses(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return one response for two of a status, with the description of the first."""
    if "$ref" in one or "$ref" in other:
        return one
    content = _joined_content(one.get("content", {}), other.get("content", {}))
    headers = {**other.get("headers", {}), **one.get("headers", {})}
    found = {**one, "headers": headers, "content": content}
    return {name: each for name, each in found.items() if each or name == "description"}


def _joined_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents of both, by media type."""
    content = {**other, **one}
    for media_type, each in one.items():
        again = other.get(media_type)
        if again is not None:
            content[media_type] = {"schema": either(each["schema"], again["schema"])}
    return content


def either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what one or the other describes. They are told apart as objects: their
    contents may come later."""
    members = one["anyOf"] if one.keys() == {"anyOf"} else [one]
    return one if any(each is other for each in members) else {"anyOf": [*members, other]}
