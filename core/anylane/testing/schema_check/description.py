"""Description: the OpenAPI document of an app, for one operation to be found in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

from anylane import json
from anylane.app import App, Mount
from anylane.http.values.scalars import read_date, read_datetime, read_time
from anylane.openapi.paths import shape_of, template_of
from anylane.routing.route_table import Found, RouteTable

_MAX_SEEN = 80
"""Characters of a value in a message."""

_DOCUMENT = "urn:anylane:description"


@dataclass(frozen=True, slots=True)
class Place:
    """A value of the document, and the JSON Pointer to it (RFC 6901)."""

    pointer: str
    value: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its method and path template, and where it is."""

    name: str
    place: Place


class Description:
    """The description of an app. library: jsonschema. Raise UsageError for what cannot be
    described."""

    def __init__(self, app: App, library: Any) -> None:
        assert app.description is not None
        self._library = library
        self._kind = library.validators.extend(
            library.Draft202012Validator, {"multipleOf": _multiples(library)}
        )
        self._texts = _text_formats(library)
        # jsonschema needs it, so it is there.
        referencing, drafts = map(import_module, ("referencing", "referencing.jsonschema"))
        # As clients get it.
        self._document: Any = json.loads(json.dumps(app.description.document()))
        resource = referencing.Resource.from_contents(
            self._document, default_specification=drafts.DRAFT202012
        )
        self._registry = referencing.Registry().with_resource(_DOCUMENT, resource)
        self._routes = RouteTable(app.routes)
        self._own_paths = frozenset(_own_paths(app, ""))
        self._templates = {shape_of(path): path for path in self._document["paths"]}

    def is_of_a_part(self, path: str) -> bool:
        """Return whether a part answers that path by itself, and says so by its `own_paths`."""
        return path in self._own_paths

    def operation(self, method: str, path: str, host: str) -> Operation | None:
        """Return the operation that a request is for; None for one that the app has no route for.

        Raise LookupError for a route that is left out of the description on purpose.
        """
        found = self._routes.resolve(method, path, host, guard=lambda _: True)
        if not isinstance(found, Found):
            return None
        if not found.route.documentation.include_in_schema:
            raise LookupError(found.route.where)
        template = self._templates[shape_of(template_of(found.route.pattern))]
        item = self.inner(Place("", self._document), "paths", template)
        for name in (method, "GET") if method == "HEAD" else (method,):
            for place in (name.lower(),), ("x-oai-additionalOperations", name):
                operation = self.inner(item, *place)
                if operation.value is not None:
                    return Operation(f"{name} {template}", operation)
        return None

    def inner(self, place: Place, *names: str) -> Place:
        """Return what is below a place, references followed; its value is None if there is none."""
        for name in names:
            value = place.value.get(name) if isinstance(place.value, Mapping) else None
            escaped = name.replace("~", "~0").replace("/", "~1")
            place = self.followed(Place(f"{place.pointer}/{escaped}", value))
        return place

    def items(self, place: Place) -> list[Place]:
        """Return the items of a list in the document; none for anything else."""
        values = place.value if isinstance(place.value, list) else ()
        return [
            self.followed(Place(f"{place.pointer}/{index}", value))
            for index, value in enumerate(values)
        ]

    def followed(self, place: Place) -> Place:
        """Return what a Reference Object refers to (OpenAPI 3.1 §4.8.23); any other as it is."""
        while isinstance(place.value, Mapping) and isinstance(
            reference := place.value.get("$ref"), str
        ):
            value: Any = self._document
            for name in reference.removeprefix("#/").split("/"):
                value = value[name.replace("~1", "/").replace("~0", "~")]
            place = Place(reference.removeprefix("#"), value)
        return place

    def faults(self, schema: Place, value: Any, *, as_text: bool = False) -> list[str]:
        """Return what is wrong with a value by a schema: its place behind " at ", what was seen and
        what was expected.

        as_text: whether it is a parameter, whose formats are those that parameters are read in.
        """
        # "$ref" and not the schema itself, so that references in it are those of the document.
        fragment = schema.pointer.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
        formats = self._texts if as_text else self._library.Draft202012Validator.FORMAT_CHECKER
        validator = self._kind(
            {"$ref": f"{_DOCUMENT}#{fragment}"}, registry=self._registry, format_checker=formats
        )
        best = self._library.exceptions.best_match
        return [_described(best([each])) for each in validator.iter_errors(value)]


def _own_paths(app: App, prefix: str) -> Iterator[str]:
    """Yield what parts answer by themselves, in an app and in those that are mounted in it."""
    levels = (app.hooks, *(each for route in app.routes for each in route.hooks))
    for level in dict.fromkeys(levels):
        for hook in level.parts if level.app in (app, None) else ():
            yield from (prefix + path for path in getattr(hook.func, "own_paths", ()))
    for step in app.life:
        if isinstance(step, Mount):
            yield from _own_paths(step.app, prefix + step.prefix)


def _multiples(library: Any) -> Callable[[Any, Any, Any, Any], Iterator[Any]]:
    """Return what checks `multipleOf` by the digits of a number: 0.3 is a multiple of 0.1."""

    def faults(validator: Any, divisor: Any, value: Any, _: Any) -> Iterator[Any]:
        if not validator.is_type(value, "number"):
            return
        if Fraction(str(value)) % Fraction(str(divisor)):
            yield library.ValidationError(f"{value} is not a multiple of {divisor}")

    return faults


def _text_formats(library: Any) -> Any:
    """Return what checks the formats of parameters, as parameters are read."""
    found = library.FormatChecker()
    found.checkers = dict(library.Draft202012Validator.FORMAT_CHECKER.checkers)
    for name, read in (("date-time", read_datetime), ("time", read_time), ("date", read_date)):
        found.checkers[name] = (_checks(read), ValueError)
    return found


def _checks(read: Callable[[str], Any]) -> Callable[[Any], bool]:
    def checks(value: Any) -> bool:
        if isinstance(value, str):
            read(value)
        return True

    return checks


def _described(error: Any) -> str:
    place = ".".join(str(each) for each in error.absolute_path)
    seen = json.dumps(error.instance).decode()
    seen = seen if len(seen) <= _MAX_SEEN else f"{seen[:_MAX_SEEN]}..."
    expected = json.dumps(error.validator_value).decode()
    if error.validator in ("required", "additionalProperties", "dependentRequired"):
        told = f"saw {seen}, and {error.message}"
    elif len(expected) > _MAX_SEEN:
        told = f"saw {seen}; {error.message[:_MAX_SEEN]}"
    else:
        told = f"saw {seen}; expected {error.validator} {expected}"
    return f" at {place}: {told}" if place else f": {told}"
