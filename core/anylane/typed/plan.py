"""Plan: how a handler's parameters are found for each request, made once for each route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import isasyncgenfunction
from typing import TYPE_CHECKING, Any

from anylane.callables import called, is_coroutine_function
from anylane.errors import HTTPError
from anylane.http.parameters import split_parameters
from anylane.http.values.faults import Fault, Invalid
from anylane.typed.answer_types import AnswerType
from anylane.typed.answers import Answer
from anylane.typed.constraints import compiled
from anylane.typed.models import Model, is_object, model_of
from anylane.typed.readers import (
    Reader,
    file_reader,
    form_reader,
    many_reader,
    path_reader,
    text_reader,
)
from anylane.typed.signature import CONTEXT, REQUIRED, Parameter
from anylane.typed.sources import File, State

if TYPE_CHECKING:
    from anylane.handling.context import Context
    from anylane.routing.base_app import BaseApp

Fill = Callable[["Context", dict[str, Any], list[Fault]], None]
"""Reads parameters into a dictionary of arguments, at once."""

FillBody = Callable[["Context", dict[str, Any], list[Fault]], Awaitable[None]]
"""Does the same with what has to be waited for."""


class Plan:
    """Finds the arguments of one function.

    fills: read what came with the head. bodies: read the body. needs: the dependencies, in the
    order in which they are made. answers: what its return annotation names, if it is a handler.
    """

    __slots__ = ("answers", "bodies", "fills", "needs", "parameters")

    def __init__(
        self, parameters: tuple[Parameter, ...], names: Mapping[str, str], where: str
    ) -> None:
        self.parameters: tuple[Parameter, ...] = parameters
        self.needs: tuple[Any, ...] = ()
        self.answers: tuple[AnswerType, ...] = ()
        self.fills: tuple[Fill, ...] = tuple(_fills(parameters, names))
        self.bodies: tuple[FillBody, ...] = tuple(_bodies(parameters, where))

    def without_request(self, app: BaseApp) -> dict[str, Any]:
        """Return the arguments of a dependency of the app: those of `State`."""
        return {
            each.name: state_value(each, app)
            for each in self.parameters
            if each.where == State.where
        }

    async def read(self, ctx: Context, faults: list[Fault]) -> dict[str, Any]:
        """Return the arguments of a request, by name, and add to *faults* what is wrong. Raise
        HTTPError 400, 413 or 415 for a body that cannot be read."""
        arguments: dict[str, Any] = {}
        for fill in self.fills:
            fill(ctx, arguments, faults)
        for body in self.bodies:
            await body(ctx, arguments, faults)
        return arguments

    async def arguments(self, ctx: Context) -> dict[str, Any]:
        """Return the arguments of a request, by name. Raise Invalid, an HTTPError 422, for every
        fault at once, and what `read` raises."""
        faults: list[Fault] = []
        arguments = await self.read(ctx, faults)
        if faults:
            raise Invalid(faults)
        return arguments

    def arguments_at_once(self, ctx: Context) -> dict[str, Any]:
        """Do what `arguments` does where there is no body: without a coroutine."""
        arguments: dict[str, Any] = {}
        faults: list[Fault] = []
        for fill in self.fills:
            fill(ctx, arguments, faults)
        if faults:
            raise Invalid(faults)
        return arguments


def _fills(parameters: tuple[Parameter, ...], names: Mapping[str, str]) -> list[Fill]:
    """Return what reads the parameters that need no body, one for each source."""
    found: list[Fill] = [
        partial(_fill_context, each.name) for each in parameters if each.where == CONTEXT
    ]
    found += [partial(_fill_state, each) for each in parameters if each.where == State.where]
    path = [
        (each.name, path_reader(each, names[each.key]))
        for each in parameters
        if each.where == "path"
    ]
    if path:
        found.append(partial(_fill_path, tuple(path)))
    for where, texts, several in _SOURCES:
        single = [each for each in parameters if each.where == where and each.collection is None]
        many = [each for each in parameters if each.where == where and each.collection is not None]
        if single:
            found.append(
                partial(_fill, texts, tuple((each.name, text_reader(each)) for each in single))
            )
        if many:
            found.append(
                partial(_fill, several, tuple((each.name, many_reader(each)) for each in many))
            )
    return found


def _fill_context(name: str, ctx: Context, arguments: dict[str, Any], _faults: list[Fault]) -> None:
    arguments[name] = ctx


def _fill_state(
    parameter: Parameter, ctx: Context, arguments: dict[str, Any], _faults: list[Fault]
) -> None:
    arguments[parameter.name] = state_value(parameter, ctx.app)


def state_value(parameter: Parameter, app: BaseApp) -> Any:
    """Return what a parameter of `State` has. Raise AttributeError, which says what there is, where
    the app's state lacks it."""
    state = app.state
    if parameter.default is not REQUIRED and not hasattr(state, parameter.key):
        return parameter.default
    return getattr(state, parameter.key)


def _fill_path(
    readers: tuple[tuple[str, Reader], ...],
    ctx: Context,
    arguments: dict[str, Any],
    faults: list[Fault],
) -> None:
    values = ctx.params
    for name, read in readers:
        arguments[name] = read(values, faults)


def _fill(
    source: Callable[[Context], Any],
    readers: tuple[tuple[str, Reader], ...],
    ctx: Context,
    arguments: dict[str, Any],
    faults: list[Fault],
) -> None:
    values = source(ctx)
    for name, read in readers:
        arguments[name] = read(values, faults)


_SOURCES: tuple[tuple[str, Callable[[Context], Any], Callable[[Context], Any]], ...] = (
    ("query", lambda ctx: ctx.request.query.first(), lambda ctx: ctx.request.query),
    ("header", lambda ctx: ctx.request.headers, lambda ctx: ctx.request.headers),
    ("cookie", lambda ctx: ctx.request.cookies, lambda ctx: ctx.request.cookies),
)
"""Each source: where single values are, and where several of a name are."""


def _bodies(parameters: tuple[Parameter, ...], where: str) -> list[FillBody]:
    """Return what reads the parameters of the body."""
    found: list[FillBody] = []
    for parameter in parameters:
        if parameter.where == "body":
            model = model_of(parameter.kind, f"the parameter {parameter.name!r} of {where}")
            found.append(_json_body(parameter, model))
    fields = tuple(each for each in parameters if each.where == "form")
    if fields:
        found.append(_form(fields, where))
    return found


def _json_body(parameter: Parameter, model: Model) -> FillBody:
    check, limits = compiled(parameter.constraints)
    name, default, optional = parameter.name, parameter.default, parameter.optional
    read = model.from_json

    async def fill(ctx: Context, arguments: dict[str, Any], faults: list[Fault]) -> None:
        request = ctx.request
        kind = request.headers.get("content-type")
        if kind != "application/json":
            _check_json(kind)
        data = await request.body()
        if not data and default is not REQUIRED:
            arguments[name] = default
            return
        if optional and data.strip() == b"null":
            arguments[name] = None
            return
        before = len(faults)
        value = arguments[name] = read(data, faults)
        if check is not None and len(faults) == before and not check(value):
            faults.append(Fault("body", "", limits, None))

    return fill


def _check_json(content_type: str | None) -> None:
    """Raise HTTPError 415 unless a media type is JSON (RFC 8259 §11, RFC 6839 §3.1).

    A body without a type is taken for JSON: clients in scripts leave it out. A page of another
    site cannot send one without.
    """
    if content_type is None:
        return
    kind = split_parameters(content_type)[0].lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise HTTPError(415, f"expected application/json, not {kind[:80]!r}")


def _form(parameters: tuple[Parameter, ...], where: str) -> FillBody:
    readers: list[tuple[str, Reader]] = []
    for each in parameters:
        if isinstance(each.marker, File):
            readers.append((each.name, file_reader(each)))
        elif is_object(each.kind):
            model = model_of(each.kind, f"the parameter {each.name!r} of {where}")
            readers.append((each.name, _whole_form(model)))
        elif each.collection is not None:
            readers.append((each.name, many_reader(each)))
        else:
            readers.append((each.name, form_reader(each)))

    async def fill(ctx: Context, arguments: dict[str, Any], faults: list[Fault]) -> None:
        form = await ctx.request.form()
        for name, read in readers:
            arguments[name] = read(form, faults)

    return fill


def _whole_form(model: Model) -> Reader:
    def reader(form: Any, faults: list[Fault]) -> Any:
        fields = {}
        for name in form:
            values = [str(each) if isinstance(each, str) else each for each in form.get_all(name)]
            fields[name] = values[0] if len(values) == 1 else values
        return model.from_fields(fields, faults)

    return reader


def caller_of(
    func: Callable[..., Any], *, inline: bool
) -> Callable[[Context, dict[str, Any]], Awaitable[Any]]:
    """Return what calls a handler with its arguments: in the pool if it is a plain `def`.

    inline: whether such a one is called directly.
    """
    if is_coroutine_function(func):
        return lambda _ctx, arguments: func(**arguments)
    if inline or isasyncgenfunction(called(func)):

        async def directly(_ctx: Context, arguments: dict[str, Any]) -> Any:
            return func(**arguments)

        return directly

    async def in_the_pool(ctx: Context, arguments: dict[str, Any]) -> Any:
        if not ctx.request.is_form_read:
            # Read in advance, so that a `def` handler never waits for the client.
            await ctx.request.body()
        return await ctx.run_handler(lambda _: func(**arguments))

    return in_the_pool


def endpoint_of(
    call: Callable[[Context, dict[str, Any]], Awaitable[Any]], plan: Plan, answer: Answer | None
) -> Callable[[Context], Awaitable[Any]]:
    """Return what runs a handler without dependencies, for the pipeline of a route.

    call: calls it with its arguments. answer: makes what it returns the response.
    """
    if plan.bodies:

        async def with_body(ctx: Context) -> Any:
            result = await call(ctx, await plan.arguments(ctx))
            return result if answer is None else answer(ctx, result)

        return with_body
    if answer is None:
        return lambda ctx: call(ctx, plan.arguments_at_once(ctx))

    async def at_once(ctx: Context) -> Any:
        return answer(ctx, await call(ctx, plan.arguments_at_once(ctx)))

    return at_once
