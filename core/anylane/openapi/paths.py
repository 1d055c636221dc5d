"""Paths: patterns as the path templates of OpenAPI, and what their parameters have to be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from anylane.openapi.schemas import Schema
from anylane.openapi.texts import ecma_pattern, in_words
from anylane.routing.patterns.converters import Kind
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.patterns.pattern_syntax import Parameter

# RFC 3986 §3.3.
_PCHAR = "!$&'()*+,;=:@"

_FORMS: dict[Kind, Schema] = {
    Kind.INT: {"type": "integer", "minimum": 0},
    Kind.FLOAT: {"type": "number", "minimum": 0},
    Kind.UUID: {"type": "string", "format": "uuid"},
    Kind.PLAIN: {"type": "string", "minLength": 1},
    Kind.TAIL: {"type": "string"},
}

_TAIL = "The rest of the path, slashes included."


@dataclass(frozen=True, slots=True)
class PathParameter:
    """One parameter of a path."""

    name: str
    schema: Schema
    description: str | None = None


def template_of(pattern: Pattern) -> str:
    """Return a pattern as a path template: `/users/{id:int}` is `/users/{id}`."""
    return "".join(
        "/" + "".join(
            f"{{{part.name}}}" if isinstance(part, Parameter) else quote(part, safe=_PCHAR)
            for part in segment.parts
        )
        for segment in pattern.segments
    )  # fmt: skip


def shape_of(template: str) -> str:
    """Return what two templates have in common that stand for the same paths: OpenAPI has one entry
    for both, whatever their parameters are called (OpenAPI 3.1 §4.8.8.2)."""
    return re.sub(r"\{[^}]*\}", "{}", template)


def parameters_of(pattern: Pattern) -> list[PathParameter]:
    """Return the parameters of a pattern, in order."""
    return [
        _parameter(part)
        for segment in pattern.segments
        for part in segment.parts
        if isinstance(part, Parameter)
    ]


def _parameter(part: Parameter) -> PathParameter:
    kind, source = part.converter.kind, part.converter.source
    if kind is Kind.REGEX:
        schema: dict[str, Any] = {"type": "string"}
        if ecma_pattern(source) is None:
            return PathParameter(part.name, schema, in_words(source)["description"])
        return PathParameter(part.name, {**schema, "pattern": f"^(?:{source})$"})
    return PathParameter(part.name, dict(_FORMS[kind]), _TAIL if kind is Kind.TAIL else None)
