"""Resolve: from a handler's signature to the fields of its Route."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from anylane.callables import called, location, signature_of
from anylane.errors import RouteError, UsageError
from anylane.handling.context import Context
from anylane.http.response import Response
from anylane.routing.patterns.converters import Kind
from anylane.routing.patterns.pattern_syntax import Parameter as PathParameter
from anylane.typed.answer_types import answer_types
from anylane.typed.answers import answer_of
from anylane.typed.dependencies.injection import Injection, injected
from anylane.typed.plan import Plan, caller_of
from anylane.typed.signature import CONTEXT, hints_of, is_marker, parameters_of

if TYPE_CHECKING:
    from anylane.routing.patterns.pattern import Pattern

_NAMED = {Kind.INT: "int", Kind.FLOAT: "float", Kind.UUID: "uuid", Kind.TAIL: "path"}
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "CONNECT"})


def resolve(handler: object, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a Route that its handler's annotations decide.

    options: the other fields of the Route. A handler that takes only the Context, and whose answer
    has no type to hold it to, gets no endpoint: it is called as it is. Raise RouteError for a
    parameter or an answer that cannot be resolved, and for a library that is missing.
    """
    if not callable(handler):
        return {}  # Route says what is wrong.
    try:
        signature = signature_of(handler)
    except (TypeError, ValueError):  # A builtin without a signature.
        return {}
    where = location(handler)
    names = names_of(options["pattern"])
    websocket = options.get("websocket", False)
    plain = _takes_context_only(signature, names)
    if "ctx" in signature.parameters and "ctx" not in names:
        _check_context(handler, signature.parameters["ctx"].annotation, where)
    returned = signature.return_annotation
    if plain and (websocket or returned is inspect.Signature.empty):
        return {}
    if plain and (returned is None or (isinstance(returned, str) and returned in _UNTYPED)):
        plan = Plan((), {}, where)
        plan.answers = answer_types(_UNTYPED[str(returned)], where)
        return {"plan": plan}
    try:
        body = not websocket and not (options.get("methods", frozenset()) & _BODILESS)
        parameters = parameters_of(handler, names=names, body=body, where=where)
        plan = Plan(parameters, names, where)
        injection = Injection(parameters, names=names, body=body)
        plan.needs = tuple(injection.needs)
        answer = None
        hints = {} if websocket else hints_of(handler, where)
        if "return" in hints:
            plan.answers = answer_types(hints["return"], where)
            answer = answer_of(plan.answers, where)
    except UsageError as exc:
        raise exc if isinstance(exc, RouteError) else RouteError(str(exc)) from None
    except NameError as exc:  # Of a field of a class: `hints_of` has looked up the handler's own.
        if exc.name is None:
            raise
        raise RouteError(
            f"a class in the annotations of {where} has a field of the type {exc.name!r}, which "
            "does not exist at run time; define it at module level, before the handler, and not "
            "under `if TYPE_CHECKING`"
        ) from exc
    if answer is None and [each.where for each in parameters] == [CONTEXT]:
        return {"plan": plan} if plan.answers else {}
    inline = options.get("inline", False)
    if injection.needs:
        call = caller_of(handler, inline=inline)
        return {"endpoint": injected(call, plan, injection, answer), "plan": plan}
    return {"endpoint": plan.endpoint(handler, answer, inline=inline), "plan": plan}


_UNTYPED: Mapping[str, Any] = {
    "None": None,
    "str": str,
    "bytes": bytes,
    "dict": dict,
    "list": list,
    "Any": Any,
    "object": Any,
    "Response": Response,
}
"""Annotations of an answer that hold it to nothing. They are not looked up."""


def names_of(pattern: Pattern) -> dict[str, str]:
    """Return the name of the converter of each parameter of a pattern, empty for text."""
    return {
        part.name: _NAMED.get(part.converter.kind, "")
        for segment in pattern.segments
        for part in segment.parts
        if isinstance(part, PathParameter)
    }


def _check_context(handler: Callable[..., Any], annotation: Any, where: str) -> None:
    """Raise RouteError for a `ctx` that is annotated as something else than the Context. A text
    that names nothing passes: a handler may import Context for type checkers alone."""
    if isinstance(annotation, str):
        name = annotation.strip("\"'")
        annotation = getattr(called(handler), "__globals__", {}).get(name, vars(builtins).get(name))
    if (
        isinstance(annotation, type)
        and annotation not in (Any, inspect.Parameter.empty)
        and not getattr(annotation, "_is_protocol", False)
        and not issubclass(Context, annotation)
        and not issubclass(annotation, Context)
    ):
        raise RouteError(
            f"the parameter 'ctx' of {where} is {annotation.__name__}; that name is the Context's: "
            "write `ctx: Context`, or take another name"
        )


def _takes_context_only(signature: inspect.Signature, names: Mapping[str, str]) -> bool:
    """Return whether a function is called as `handler(ctx)`, as far as its names tell.

    Annotations that are text are not looked up: a handler may import Context for type checkers
    alone.
    """
    first, *rest = signature.parameters.values() or (None,)
    if first is None or first.kind in (first.VAR_POSITIONAL, first.KEYWORD_ONLY):
        return first is not None and first.kind is first.VAR_POSITIONAL
    if any(
        each.annotation is not each.empty or each.default is each.empty or is_marker(each.default)
        for each in rest
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ):
        return False
    if is_marker(first.default):
        return False
    if first.name == "ctx":
        return True
    if first.annotation is first.empty or first.annotation is Any:
        return first.name not in names
    if isinstance(first.annotation, str):
        return first.annotation.rpartition(".")[2].strip("\"'") == "Context"
    return isinstance(first.annotation, type) and issubclass(first.annotation, Context)
