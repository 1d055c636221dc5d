"""Documentation: what is said about a route for its OpenAPI description.

Routing does not read it. It is checked at registration, so that the document can be made without
failing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol, TypedDict

from anylane.errors import RouteError
from anylane.keywords import did_you_mean
from anylane.shown import shown


class DocumentationOptions(TypedDict, total=False):
    """What every decorator of routes takes by keyword for the OpenAPI description."""

    tags: Iterable[str]
    """Groups in the description, such as ["users"]; those of the routers around come first."""
    summary: str | None
    """One line; the first one of the handler's docstring by default."""
    description: str | None
    """More of it, in CommonMark; the rest of the docstring by default."""
    deprecated: bool
    """Whether clients should stop using it."""
    operation_id: str | None
    """The name in generated clients; made of the route's name by default. No two may be equal."""
    responses: Mapping[int, Any]
    """More answers by status: a text that says when it comes, for one that an HTTPError raises; or
    the type of its JSON body; or `Annotated[type, "when it comes"]`."""
    include_in_schema: bool
    """Whether it is described at all."""


class Described(Protocol):
    """What a router says about all its routes."""

    tags: tuple[str, ...]
    include_in_schema: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """What was said about a route. The fields are those of `DocumentationOptions`."""

    tags: tuple[str, ...] = ()
    summary: str | None = None
    description: str | None = None
    deprecated: bool = False
    operation_id: str | None = None
    responses: Mapping[int, Any] = field(default_factory=lambda: MappingProxyType({}))
    include_in_schema: bool = True

    def below(self, router: Described) -> Documentation:
        """Return the same with the tags of a router in front of its own; not described where the
        router is not."""
        if router.include_in_schema and not router.tags:
            return self
        return replace(
            self,
            tags=tuple(dict.fromkeys((*router.tags, *self.tags))),
            include_in_schema=self.include_in_schema and router.include_in_schema,
        )


NO_DOCUMENTATION = Documentation()
"""Of a route about which nothing is said."""


def checked_documentation(
    options: Mapping[str, Any], pattern: str, router: Described
) -> Documentation:
    """Return what was said about a route. Raise RouteError for what cannot be described.

    pattern: of the route, for messages. router: its own.
    """
    if not options:
        return NO_DOCUMENTATION.below(router)
    where = repr(pattern)
    unknown = options.keys() - DocumentationOptions.__annotations__.keys()
    if unknown:
        # A TypeError, as Python raises for any function.
        raise TypeError(f"the route {where} got the unknown option {_named(min(unknown))}")
    given = dict(options)
    given["tags"] = checked_tags(given.get("tags", ()), where)
    for name in ("summary", "description", "operation_id"):
        value = given.get(name)
        if value is not None and not (isinstance(value, str) and value):
            raise RouteError(f"{name} of {where} is {shown(value)}; expected a str")
    for name in ("deprecated", "include_in_schema"):
        _checked_bool(given.get(name, False), name, where)
    given["responses"] = _checked_responses(given.get("responses", {}), where)
    return Documentation(**given).below(router)


_OPTIONS = (
    *("name", "middleware", "inline", "cancel_on_disconnect", "when", "status", "body_limit"),
    *("timeout", *DocumentationOptions.__annotations__),
)

_ELSEWHERE = {
    "status_code": "did you mean 'status'?",
    "response_model": "the annotation of the handler's answer says that",
    "dependencies": "`middleware=` and `Depends` in the handler's parameters do that",
}
"""Options that other frameworks have."""


def _named(option: str) -> str:
    """Return an unknown option, with what may have been meant."""
    hint = _ELSEWHERE.get(option) or did_you_mean(option, _OPTIONS)
    return f"{option!r}; {hint}" if hint else repr(option)


def _checked_bool(value: bool, name: str, where: str) -> bool:
    # The hints do not keep out what else is true or false.
    if not isinstance(value, bool):
        raise RouteError(f"{name} of {where} is {shown(value)}; expected True or False")
    return value


def checked_inclusion(include_in_schema: bool, where: str) -> bool:
    """Return whether something is described. Raise RouteError for a value that is no bool."""
    return _checked_bool(include_in_schema, "include_in_schema", where)


def checked_tags(tags: Iterable[str], where: str) -> tuple[str, ...]:
    """Return tags as a tuple. Raise RouteError for what are none."""
    if isinstance(tags, str):
        raise RouteError(f"tags of {where} is {tags!r}; write [{tags!r}]")
    try:
        found = tuple(tags)
    except TypeError:
        raise RouteError(f"tags of {where} is {shown(tags)}; expected a list of texts") from None
    for each in found:
        if not (isinstance(each, str) and each):  # type: ignore[redundant-expr]
            raise RouteError(f"tags of {where} has {shown(each)}; expected texts, such as 'users'")
    return found


def _checked_responses(responses: Mapping[int, Any], where: str) -> Mapping[int, Any]:
    if not isinstance(responses, Mapping):
        raise RouteError(
            f"responses of {where} is {shown(responses)}; expected a mapping such as "
            "{404: 'there is no such user'}"
        )
    for status, answer in responses.items():
        # The hints do not keep out what other frameworks take.
        if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:  # type: ignore[redundant-expr]
            raise RouteError(
                f"responses of {where} has the status {shown(status)}; expected an int from 100 "
                "to 599"
            )
        if isinstance(answer, dict | list):
            raise RouteError(
                f"responses of {where} has {shown(answer)} for {status}; expected a text that says "
                "when it comes, a type, or Annotated[type, 'when it comes']"
            )
    return MappingProxyType(dict(responses))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDocumentation:
    """What a part adds to the description of the routes that it sees. A part that has something to
    say has a method `documentation(method)`, which returns one of these, or None."""

    responses: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    """Answers of its own by status: when each comes."""
    headers: Mapping[int, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    """Header fields of those, as OpenAPI's Header Objects by name."""
    security: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    """The credentials that it asks for, as OpenAPI's Security Scheme Objects by name."""
    is_optional: bool = False
    """Whether requests without credentials pass."""
