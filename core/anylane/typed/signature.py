"""Parameters: where each parameter of a function comes from, found out when it is registered.

What cannot be resolved is refused in the registering line, with what to write.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import FrameType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from anylane.callables import called, location, signature_of
from anylane.errors import RouteError, UsageError
from anylane.handling.context import Context
from anylane.http.forms import Upload
from anylane.http.request import Request
from anylane.http.response import Response
from anylane.http.values.scalars import converter_of
from anylane.realtime.websocket import WebSocket
from anylane.shown import shown
from anylane.typed.constraints import constraints_of, misplaced
from anylane.typed.dependencies.depends import Dependency, Depends
from anylane.typed.models import is_model, is_object, needs_pydantic
from anylane.typed.sources import (
    Cookie,
    File,
    Form,
    Header,
    JsonBody,
    Path,
    Query,
    Source,
    State,
)
from anylane.typed.written_types import unwrapped

REQUIRED: Any = inspect.Parameter.empty
"""What stands for no default."""

CONTEXT = "context"
"""Where the Context comes from."""

DEPENDS = "depends"
"""Where the values of dependencies come from."""

COLLECTIONS: Mapping[Any, Callable[[list[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
}
"""What takes several values of a name, and what is made of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a handler, resolved."""

    name: str
    """Its name in the function."""
    where: str
    """Where its value comes from: the `where` of a Source, or `CONTEXT`."""
    key: str = ""
    """Its name there."""
    kind: Any = None
    """Its type, without markers and without None."""
    optional: bool = False
    """Whether its type has None."""
    default: Any = REQUIRED
    """Its default, or REQUIRED."""
    marker: Source | None = None
    """What was written in its annotation."""
    dependency: Dependency | None = None
    """What gives its value, if that is another function."""
    constraints: Mapping[str, Any] = field(default_factory=dict)
    """Bounds of its value."""
    metadata: tuple[Any, ...] = ()
    """What else stands in its annotation."""

    @property
    def collection(self) -> Any:
        """Return what takes several values: list, set, frozenset or tuple; else None."""
        origin = get_origin(self.kind) or self.kind
        return origin if origin in COLLECTIONS else None

    @property
    def is_missing_allowed(self) -> bool:
        """Whether the client may leave it out."""
        return self.default is not REQUIRED


def parameters_of(
    func: Callable[..., Any],
    *,
    names: Mapping[str, str],
    body: bool,
    where: str = "",
    localns: Mapping[str, Any] | None = None,
) -> tuple[Parameter, ...]:
    """Return the parameters of a function, in order.

    names: those of the route's pattern, each with the name of its converter, empty for a plain one.
    body: whether the requests may have one. localns: names for annotations that are text.

    Raise RouteError for a parameter that cannot be resolved.
    """
    where = where or location(func)
    try:
        signature = signature_of(func)
    except (TypeError, ValueError):
        raise RouteError(
            f"{where} has no signature that Python can read; write a function around it"
        ) from None
    hints = hints_of(func, where, localns)
    bound = func.keywords if isinstance(func, partial) else {}
    found = []
    for index, each in enumerate(signature.parameters.values()):
        if each.name in bound:
            continue  # What was given once is no request's to change.
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY):
            raise RouteError(
                f"the parameter {each} of {where} has no name to be given by; write each one with "
                "its name"
            )
        resolved: Parameter | None
        if isinstance(each.default, Dependency):
            resolved = _dependency(each.name, each.default)
        elif is_marker(each.default):
            raise RouteError(_as_default(each, where))
        elif each.annotation is REQUIRED or each.name == "ctx":
            resolved = _unannotated(each, index, names, where)
        else:
            resolved = _annotated(each, hints[each.name], names, where, body=body)
        if resolved is not None:
            found.append(resolved)
    _check_together(found, where)
    return tuple(found)


def hints_of(
    func: Callable[..., Any], where: str, localns: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the annotations of a function as types. Raise RouteError where one names what does not
    exist when it is registered."""
    function: Any = func.__init__ if isinstance(func, type) else called(func)  # type: ignore[misc]
    try:
        return get_type_hints(function, include_extras=True)
    except NameError:
        pass
    except Exception as exc:
        raise RouteError(
            f"an annotation of {where} is no type: {shown(exc)}; write one, such as `int`"
        ) from exc
    try:  # Classes of the function around it.
        return get_type_hints(
            function, localns={**_locals_around(), **(localns or {})}, include_extras=True
        )
    except NameError as exc:
        raise RouteError(
            f"an annotation of {where} names {exc.name!r}, which does not exist at run time; "
            "import it at module level and not under `if TYPE_CHECKING`"
        ) from exc


def _locals_around() -> dict[str, Any]:
    """Return the local names of the function that registers: the first one outside of anylane."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("anylane."):
        frame = frame.f_back
    return {} if frame is None else dict(frame.f_locals)


def _unannotated(
    parameter: inspect.Parameter, index: int, names: Mapping[str, str], where: str
) -> Parameter | None:
    """Return what a parameter without an annotation is; None for one that keeps its default."""
    if parameter.name in names:
        return Parameter(name=parameter.name, where=Path.where, key=parameter.name, kind=Any)
    if parameter.name == "ctx" or (index == 0 and parameter.default is REQUIRED):
        return Parameter(name=parameter.name, where=CONTEXT)
    if parameter.default is not REQUIRED:
        # `def handler(ctx, n=n)` is how Python keeps the value of a loop.
        return None
    raise RouteError(
        f"the parameter {parameter.name!r} of {where} has no annotation, and the pattern no such "
        f"name; write for instance `{parameter.name}: int`"
    )


def _annotated(
    parameter: inspect.Parameter, hint: Any, names: Mapping[str, str], where: str, *, body: bool
) -> Parameter:
    name = parameter.name
    hint, metadata = unwrapped(hint)
    if isinstance(hint, type) and issubclass(hint, Context):
        return Parameter(name=name, where=CONTEXT)
    for each in metadata:
        if isinstance(each, Dependency):
            return _dependency(name, each)
        if each is Depends:
            raise RouteError(
                f"the parameter {name!r} of {where} has no function; write Depends(function)"
            )
    kind, optional = without_none(hint)
    if optional:  # `Annotated[int, Query()] | None`
        kind, inner = unwrapped(kind)
        metadata = (*metadata, *inner)
    markers = [_marker(each) for each in metadata if is_marker(each)]
    if len(markers) > 1:
        raise RouteError(
            f"the parameter {name!r} of {where} has two sources: "
            f"{', '.join(repr(each) for each in markers)}; keep one"
        )
    try:
        constraints = constraints_of(metadata)
    except UsageError as exc:
        raise RouteError(f"the parameter {name!r} of {where}: {exc}") from None
    marker = markers[0] if markers else _implied(name, kind, names, where)
    key = marker.name or (name.replace("_", "-") if isinstance(marker, Header) else name)
    resolved = Parameter(
        name=name,
        where=marker.where,
        key=key,
        kind=kind,
        optional=optional,
        default=parameter.default,
        marker=marker,
        constraints=constraints,
        metadata=metadata,
    )
    _check(resolved, names, where, body=body)
    return resolved


def _as_default(parameter: inspect.Parameter, where: str) -> str:
    """Return what is wrong with a marker that stands where a default does."""
    said = f"the parameter {parameter.name!r} of {where}"
    if parameter.default is Depends:
        return f"{said} has no function; write Depends(function)"
    marker, hint = _marker(parameter.default), parameter.annotation
    kind = "str" if hint is REQUIRED else hint if isinstance(hint, str) else _named(hint)
    return (
        f"{said} has {marker!r} as its default; write `{parameter.name}: Annotated[{kind}, "
        f"{marker!r}]`, and the default behind it"
    )


def _dependency(name: str, dependency: Dependency) -> Parameter:
    return Parameter(name=name, where=DEPENDS, dependency=dependency)


def is_marker(value: Any) -> bool:
    """Return whether a value is one of the markers of annotations, called or not."""
    if isinstance(value, type):
        return issubclass(value, Source)
    return isinstance(value, Source | Dependency) or value is Depends


def _marker(value: Any) -> Source:
    found: Source = value() if isinstance(value, type) else value
    return found


def _implied(name: str, kind: Any, names: Mapping[str, str], where: str) -> Source:
    """Return the source of a parameter that has no marker."""
    if name in names:
        return Path()
    if is_model(kind):
        return JsonBody()
    if kind is Upload:
        return File()
    if not _is_text(kind):
        raise RouteError(f"the parameter {name!r} of {where} is {_named(kind)}, {_instead(kind)}")
    return Query()


def _instead(kind: Any) -> str:
    """Return what to write for a type that no text is read as."""
    if isinstance(kind, type) and issubclass(kind, Request | Response | WebSocket):
        return "which the Context has; write `ctx: Context`"
    return (
        f"which no text is read as; expected {_READ}, or a marker that says where it comes from: "
        "JsonBody(), State() or Depends(function)"
    )


_READ = (
    "int, float, bool, str, an Enum, Literal, UUID, datetime, date, time, timedelta, Decimal, or a "
    "list, set or tuple of one of these"
)


def without_none(hint: Any) -> tuple[Any, bool]:
    """Return a type without None, and whether it had it."""
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    kinds = [each for each in get_args(hint) if each is not NoneType]
    if len(kinds) == len(get_args(hint)):
        return hint, False
    return Union[tuple(kinds)], True  # noqa: UP007  # of as many as there are


def _is_text(kind: Any) -> bool:
    """Return whether a type is read from one text, or from several."""
    if kind is Any or converter_of(kind) is not None:
        return True
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin not in COLLECTIONS:
        return False
    return all(each is Ellipsis or converter_of(each) is not None for each in arguments)


def _check(parameter: Parameter, names: Mapping[str, str], where: str, *, body: bool) -> None:
    """Raise RouteError for a parameter that no request can give."""
    kind, marker = parameter.kind, parameter.marker
    said = f"the parameter {parameter.name!r} of {where}"
    if isinstance(marker, Path):
        if parameter.key not in names:
            known = ", ".join(map(repr, names)) or "no names"
            raise RouteError(
                f"{said} is of the path, and the pattern has no {parameter.key!r}; it has {known}"
            )
        converter = names[parameter.key]
        if converter and kind not in (Any, *_CONVERTED[converter]):
            raise RouteError(
                f"{said} is {_named(kind)}, and {{{parameter.key}:{converter}}} gives "
                f"{_CONVERTED[converter][0].__name__}; make them agree"
            )
        if not converter and kind is not Any and converter_of(kind) is None:
            raise RouteError(
                f"{said} is {_named(kind)}, which no segment of a path is read as; expected int, "
                "float, bool, str, an Enum, Literal, UUID, datetime, date, time, timedelta or "
                "Decimal"
            )
        if parameter.default is not REQUIRED:
            raise RouteError(f"{said} has a default, and a path always has a value; leave it out")
    elif isinstance(marker, State):
        pass
    elif isinstance(marker, File):
        if kind is not Upload and get_args(kind) != (Upload,):
            raise RouteError(f"{said} is {_named(kind)}; a file is an anylane.Upload")
    elif isinstance(marker, JsonBody) or (isinstance(marker, Form) and is_object(kind)):
        pass
    elif not _is_text(kind):
        raise RouteError(f"{said} is {_named(kind)}, which no text is read as; expected {_READ}")
    elif isinstance(marker, Cookie) and parameter.collection is not None:
        raise RouteError(f"{said} is {_named(kind)}; a cookie has one value")
    _check_bounds(parameter, said)
    _check_validators(parameter, said)
    if parameter.where in ("body", "form") and not body:
        raise RouteError(
            f"{said} is of the body, which a GET, HEAD, OPTIONS or WebSocket does not have (RFC "
            "9110 §9.3.1); take it from the query, or make the route a POST"
        )


def _check_bounds(parameter: Parameter, said: str) -> None:
    """Raise RouteError for bounds that are not looked at, or that no value can meet."""
    marker, constraints = parameter.marker, parameter.constraints
    if constraints and isinstance(marker, File | State):
        place = "the form as a file" if isinstance(marker, File) else "the state"
        raise RouteError(f"{said} is of {place}: {min(constraints)} is not checked there")
    several = parameter.collection is not None
    if problem := misplaced(constraints, parameter.kind, several=several):
        raise RouteError(f"{said} is {_named(parameter.kind)}: {problem}")


def _check_validators(parameter: Parameter, said: str) -> None:
    """Raise RouteError for a validator of pydantic or annotated-types where neither looks."""
    is_read_whole = parameter.where == "body" or is_object(parameter.kind)
    if is_read_whole and parameter.where in ("body", "form") and needs_pydantic(parameter.kind):
        return
    for each in parameter.metadata:
        name, library = type(each).__name__, type(each).__module__.partition(".")[0]
        if (
            library in ("pydantic", "annotated_types")
            and callable(getattr(each, "func", None))
            and not name.endswith("Serializer")
        ):
            raise RouteError(
                f"{said} has {name}({location(each.func)}) in its annotation, which nothing runs, "
                "for it has no pydantic model; check the value in the handler, or in a "
                "Depends(function)"
            )


_CONVERTED: Mapping[str, tuple[type, ...]] = {
    "int": (int, float),
    "float": (float,),
    "path": (str,),
    "uuid": (UUID,),
}
"""What the converters of a pattern give, and what may be written for it."""


def _check_together(found: list[Parameter], where: str) -> None:
    bodies = [each for each in found if each.where == "body"]
    if len(bodies) > 1:
        raise RouteError(
            f"{where} has two bodies, {bodies[0].name!r} and {bodies[1].name!r}; make one model of "
            "them"
        )
    forms = [each for each in found if each.where == "form"]
    if bodies and forms:
        raise RouteError(
            f"{where} takes a JSON body, {bodies[0].name!r}, and a form, {forms[0].name!r}; a "
            "request has one of the two"
        )


def _named(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
