"""Schemas: the JSON Schemas of the types that bodies have, one component for each class.

msgspec and pydantic make them, each for what it reads: neither is imported unless a route needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_args, get_origin

from anylane.errors import UsageError
from anylane.extras import load
from anylane.shown import shown
from anylane.typed.models import is_pydantic

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema (2020-12)."""

_PLACE = "#/components/schemas/"
_ANY: tuple[Any, ...] = (Any, object)

_Key: TypeAlias = tuple[Any, bool]
"""A type, and whether it is sent."""

_MODES = {False: "validation", True: "serialization"}
"""What pydantic calls them."""


class Schemas:
    """Collects the types of a document, and makes their schemas when all are known."""

    def __init__(self) -> None:
        self._slots: dict[_Key, dict[str, Any]] = {}
        """What stands for each type in the document. It is filled by `components`."""
        self._needed_by: dict[_Key, str] = {}

    def of(self, kind: Any, needed_by: str, *, sent: bool = False) -> dict[str, Any]:
        """Return the schema of a type, which is empty until `components` was called.

        needed_by: what it is for, for messages. sent: whether it is an answer: pydantic sends
        computed fields, which it does not read.
        """
        if kind in _ANY:
            return {}
        key = _hashable(kind), sent and needs_pydantic(kind)
        if key not in self._slots:
            self._slots[key] = {}
            self._needed_by[key[0]] = needed_by
        return self._slots[key]

    def components(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Fill all schemas, and return the components that they refer to, by name.

        own: further ones, which keep their names.

        Raise UsageError for a library that is missing and for a type that has no form in JSON.
        """
        slots = self._slots.items()
        plain = {kind: slot for (kind, _), slot in slots if not needs_pydantic(kind)}
        models = {key: slot for key, slot in slots if needs_pydantic(key[0])}
        found: dict[str, Any] = {}
        if plain:
            made, found, foreign = self._by_msgspec(list(plain))
            for slot, schema in zip(plain.values(), made, strict=True):
                slot.update(schema)
            for kind in foreign:
                models.setdefault((kind, False), {})
        else:
            foreign = []
        if models:
            made, others = self._by_pydantic(list(models))
            names = _new_names(found, others)
            for slot, schema in zip(models.values(), made, strict=True):
                slot.update(_with_names(schema, names))
            found.update({names[name]: _with_names(each, names) for name, each in others.items()})
        marks = {_mark(kind): models[kind, False] for kind in foreign}
        if marks:
            for slot in plain.values():
                slot.update(_unmarked(slot, marks))
            found = {name: _unmarked(schema, marks) for name, schema in found.items()}
        names = _new_names(own, found)
        for slot in self._slots.values():
            slot.update(_with_names(slot, names))
        found = {names[name]: _with_names(each, names) for name, each in found.items()}
        return dict(sorted({**found, **own}.items()))

    def _by_msgspec(self, kinds: list[Any]) -> tuple[list[Any], dict[str, Any], list[Any]]:
        """Return the schemas of types, the components, and the types that pydantic knows."""
        msgspec = load("msgspec", extra="typed", needed_by=self._needed_by[kinds[0]])
        foreign: list[Any] = []

        def other(kind: Any) -> dict[str, Any]:
            if is_pydantic(kind):
                if kind not in foreign:
                    foreign.append(kind)
                return {"$ref": _mark(kind)}
            # What `json_default` of the app may have a form for: of any kind.
            return {"title": kind.__name__}

        made, components = self._checked(
            lambda some: msgspec.json.schema_components(
                some, schema_hook=other, ref_template=_PLACE + "{name}"
            ),
            kinds,
        )
        return list(made), components, foreign

    def _by_pydantic(self, keys: list[_Key]) -> tuple[list[Any], dict[str, Any]]:
        """Return the schemas of types, and the components. A model whose two forms differ has two
        components: `Model-Input` and `Model-Output`."""
        needed_by = next(iter(self._needed_by.values()))
        pydantic = load("pydantic", extra="pydantic", needed_by=needed_by)

        def make(some: list[Any]) -> tuple[list[Any], dict[str, Any]]:
            schemas, rest = pydantic.TypeAdapter.json_schemas(
                [(key, _MODES[key[1]], pydantic.TypeAdapter(key[0])) for key in some],
                ref_template=_PLACE + "{model}",
            )
            return [schemas[key, _MODES[key[1]]] for key in some], rest.get("$defs", {})

        made, components = self._checked(make, keys)
        return made, components

    def _checked(self, make: Callable[[list[Any]], Any], kinds: list[Any]) -> Any:
        """Return what *make* makes of all types. Raise UsageError that names the one that fails."""
        try:
            return make(kinds)
        except Exception as failure:
            for kind in kinds:
                try:
                    make([kind])
                except Exception as exc:
                    plain = kind[0] if isinstance(kind, tuple) else kind
                    raise UsageError(
                        f"{self._needed_by.get(plain, shown(plain))} has a type that JSON Schema "
                        f"cannot describe: {exc}; give the route include_in_schema=False, or "
                        "another type"
                    ) from exc
            raise UsageError(f"the types cannot be described together: {failure}") from failure


def needs_pydantic(kind: Any) -> bool:
    """Return whether pydantic has to describe a type."""
    return is_pydantic(kind) or any(needs_pydantic(each) for each in get_args(kind))


def _hashable(kind: Any) -> Any:
    """Return a type itself, or its class if it cannot be a key of a dictionary."""
    try:
        hash(kind)
    except TypeError:
        return get_origin(kind) or kind
    return kind


def _mark(kind: type) -> str:
    return f"mark:{kind.__module__}.{kind.__qualname__}:{id(kind)}"


_VALUES = frozenset(("default", "examples", "example", "const", "enum"))
"""Keywords behind which values stand, and no schemas: whatever is in them says nothing here."""

_BY_NAME = frozenset(("properties", "patternProperties", "dependentSchemas", "$defs"))
"""Keywords behind which schemas stand, each under a name of the user's."""


def _with_changed(schema: Any, change: Callable[[Any], Any]) -> Any:
    """Return a schema in which each one directly inside is what *change* returns of it."""
    if isinstance(schema, list):
        return [change(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for keyword, each in schema.items():
        if keyword in _VALUES:
            found[keyword] = each
        elif keyword in _BY_NAME and isinstance(each, dict):
            found[keyword] = {name: change(inner) for name, inner in each.items()}
        else:
            found[keyword] = change(each)
    return found


def _unmarked(schema: Any, marks: Mapping[str, dict[str, Any]]) -> Any:
    """Return a schema in which pydantic's have taken the place of their marks."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if isinstance(reference, str) and reference in marks:
        rest = {name: each for name, each in schema.items() if name != "$ref"}
        return {**marks[reference], **rest}
    return _with_changed(schema, lambda each: _unmarked(each, marks))


def _new_names(taken: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, str]:
    """Return a name for each of the other components: its own, if no different one has it."""
    names: dict[str, str] = {}
    for name, schema in others.items():
        found, number = name, 1
        while found in names.values() or taken.get(found, schema) != schema:
            number += 1
            found = f"{name}_{number}"
        names[name] = found
    return names


def _with_names(schema: Any, names: Mapping[str, str]) -> Any:
    """Return a schema whose references have the new names."""
    found = _with_changed(schema, lambda each: _with_names(each, names))
    if not isinstance(found, dict):
        return found
    if isinstance(found.get("$ref"), str):
        found["$ref"] = _renamed(found["$ref"], names)
    discriminator = found.get("discriminator")
    if isinstance(discriminator, dict) and "mapping" in discriminator:
        mapping = discriminator["mapping"].items()
        renamed = {tag: _renamed(each, names) for tag, each in mapping}
        found["discriminator"] = {**discriminator, "mapping": renamed}
    return found


def _renamed(reference: str, names: Mapping[str, str]) -> str:
    name = reference.removeprefix(_PLACE)
    return _PLACE + names.get(name, name)
