"""Joining: OpenAPI has one operation for a method and a path; the routes of guards, hosts and
converters may be several."""

from __future__ import annotations

from typing import Any


def join(known: dict[str, Any], other: dict[str, Any], pattern: str) -> None:
    """Add to an operation what another one of the same method and path says.

    The parameters are those of both; one that a single of them has is not required. The answers are
    those of both. pattern: of the other, which its description names.
    """
    more = f"`{pattern}`: {other.get('summary') or other['operationId']}"
    known["description"] = "\n\n".join(filter(None, (known.get("description"), more)))
    ours = {(each["in"], each["name"]): each for each in known.get("parameters", ())}
    theirs = {(each["in"], each["name"]): each for each in other.get("parameters", ())}
    for place, parameter in {**theirs, **ours}.items():
        if (place in ours) != (place in theirs):
            parameter["required"] = place[0] == "path"
    if parameters := [*ours.values(), *(theirs[each] for each in theirs if each not in ours)]:
        known["parameters"] = parameters
    for status, response in other["responses"].items():
        ours_too = known["responses"].get(status)
        known["responses"][status] = (
            response if ours_too is None else joined_responses(ours_too, response)
        )
    known["responses"] = dict(sorted(known["responses"].items()))


def joined_responses(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return one response for two of a status, with the description of the first."""
    if "$ref" in one or "$ref" in other:
        return one
    content = {**other.get("content", {}), **one.get("content", {})}
    for media_type, each in one.get("content", {}).items():
        again = other.get("content", {}).get(media_type)
        if again is not None:
            content[media_type] = {"schema": either(each["schema"], again["schema"])}
    headers = {**other.get("headers", {}), **one.get("headers", {})}
    found = {**one, "headers": headers, "content": content}
    return {name: each for name, each in found.items() if each or name == "description"}


def either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what one or the other describes. They are told apart as objects: their
    contents may come later."""
    members = one.get("anyOf", [one])
    return one if any(each is other for each in members) else {"anyOf": [*members, other]}
