"""Injection: a handler's dependencies, in the order in which they are made, and their run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from anylane.callables import location
from anylane.errors import RouteError
from anylane.handling.return_values import put_routed
from anylane.http.values.faults import Fault, Invalid
from anylane.shown import shown
from anylane.typed.answers import Answer
from anylane.typed.dependencies.app_scope import value_of
from anylane.typed.dependencies.depends import SCOPES, Dependency, Scope, key_of
from anylane.typed.dependencies.need import Need
from anylane.typed.dependencies.teardown import Given, HeldUntilSent, Teardown
from anylane.typed.plan import Plan, Read
from anylane.typed.signature import DEPENDS, Parameter, parameters_of
from anylane.typed.sources import State

if TYPE_CHECKING:
    from anylane.handling.context import Context


class Injection:
    """The dependencies of one function, each behind those that it needs itself.

    inputs: the names of the function's parameters, and the places of their values.
    """

    __slots__ = ("_body", "_names", "_overrides", "_parameters", "_under", "inputs", "needs")

    def __init__(
        self,
        parameters: tuple[Parameter, ...],
        *,
        names: Mapping[str, str],
        body: bool,
        overrides: Mapping[Callable[..., Any], Callable[..., Any]] = MappingProxyType({}),
    ) -> None:
        self._parameters, self._names, self._body = parameters, names, body
        self._overrides = overrides
        self._under: dict[Any, Callable[..., Any]] = {}
        self.needs: list[Need] = []
        self.inputs: tuple[tuple[str, int], ...] = self._resolve(parameters, {}, "handler", "")
        _check_bodies(self.parameters(), parameters)

    def overridden(self, overrides: Mapping[Callable[..., Any], Callable[..., Any]]) -> Injection:
        """Return the same with other functions. Raise RouteError as at registration."""
        return Injection(
            self._parameters, names=self._names, body=self._body, overrides=dict(overrides)
        )

    def _resolve(
        self,
        parameters: tuple[Parameter, ...],
        places: dict[Any, int],
        scope: Scope,
        where: str,
    ) -> tuple[tuple[str, int], ...]:
        """Return the dependencies among the parameters of a function, and add those that are new.

        scope: how long the function's own value lives. where: its name, for messages.
        """
        found = []
        for parameter in parameters:
            dependency = parameter.dependency
            if dependency is None:
                continue
            if SCOPES.index(dependency.scope) < SCOPES.index(scope):
                raise RouteError(
                    f"{where} lives as long as its scope {scope!r} says, and needs "
                    f"{location(dependency.func)}, whose scope is {dependency.scope!r}; give that "
                    f"one the scope {scope!r} too"
                )
            func = self._overrides.get(key_of(dependency.func), dependency.func)
            key = key_of(func)
            if func is not dependency.func and dependency.scope == "app":
                # What a test puts in its place is made for each request.
                dependency = Dependency(dependency.func, "handler", inline=dependency.inline)
            if key in self._under:
                begin = list(self._under).index(key)
                circle = [*list(self._under.values())[begin:], func]
                raise RouteError(
                    "these dependencies need each other: " + " -> ".join(map(location, circle))
                )
            if key not in places:
                self._under[key] = func
                need = self._need(func, dependency, places)
                del self._under[key]
                places[key] = len(self.needs)
                self.needs.append(need)
            elif self.needs[places[key]].dependency.scope != dependency.scope:
                raise RouteError(
                    f"{location(func)} is needed with two scopes; it has one value for a request, "
                    "so choose one"
                )
            found.append((parameter.name, places[key]))
        return tuple(found)

    def _need(
        self,
        func: Callable[..., Any],
        dependency: Dependency,
        places: dict[Any, int],
    ) -> Need:
        where = location(func)
        parameters = parameters_of(func, names=self._names, body=self._body, where=where)
        if dependency.scope == "app":
            _check_without_request(parameters, where)
        inputs = self._resolve(parameters, places, dependency.scope, where)
        return Need(
            Dependency(func, dependency.scope, inline=dependency.inline),
            dependency.func,
            Plan(parameters, self._names, where),
            inputs,
            tuple(
                (each.name, each.dependency.func)
                for each in parameters
                if each.dependency is not None and each.dependency.scope == "app"
            ),
            where,
        )

    def parameters(self) -> list[Parameter]:
        """Return the parameters of all dependencies that a request gives."""
        return [each for need in self.needs for each in need.plan.parameters]


def _check_without_request(parameters: tuple[Parameter, ...], where: str) -> None:
    """Raise RouteError for a dependency of the app that needs something of a request."""
    for each in parameters:
        if each.where not in (DEPENDS, State.where):
            raise RouteError(
                f"{where} has the scope 'app' and so no request, but its parameter {each.name!r} "
                f"is of the {each.where}; take it from app.state: Annotated[..., State()]"
            )


def _check_bodies(needed: list[Parameter], own: tuple[Parameter, ...]) -> None:
    """Raise RouteError if a handler and its dependencies read the body as two things."""
    every = [*needed, *own]
    kinds = {repr(each.kind): each for each in every if each.where == "body"}
    forms = [each for each in every if each.where == "form"]
    if len(kinds) > 1 or (kinds and forms):
        names = ", ".join(repr(each.name) for each in [*kinds.values(), *forms])
        raise RouteError(
            f"the parameters {names} of a handler and its dependencies read the body as different "
            "things; a request has one body"
        )


def injected(
    call: Callable[[Context, dict[str, Any]], Awaitable[Any]],
    plan: Plan,
    injection: Injection,
    answer: Answer | None,
) -> Callable[[Context], Awaitable[Any]]:
    """Return what runs a handler with its dependencies, for the pipeline of a route.

    call: calls the handler with its arguments. Where `app.dependency_overrides` names another
    function for one of them, that one is used.
    """
    usual = _runner(call, plan, injection, answer)
    others: dict[tuple[Any, ...], Callable[[Context], Awaitable[Any]]] = {}

    def run(ctx: Context) -> Awaitable[Any]:
        overrides = getattr(ctx.app, "dependency_overrides", None)
        if not overrides:
            return usual(ctx)
        for func, instead in overrides.items():
            if not callable(instead):
                raise RouteError(
                    f"dependency_overrides[{location(func)}] is {shown(instead)}; expected a "
                    "function that gives the value: lambda: ..."
                )
        key = tuple((func, key_of(instead)) for func, instead in overrides.items())
        found = others.get(key)
        if found is None:
            others.clear()  # Tests set one after the other.
            found = others[key] = _runner(call, plan, injection.overridden(overrides), answer)
        return found(ctx)

    return run


def _runner(
    call: Callable[[Context, dict[str, Any]], Awaitable[Any]],
    plan: Plan,
    injection: Injection,
    answer: Answer | None,
) -> Callable[[Context], Awaitable[Any]]:
    reads = [plan.read, *(need.plan.read for need in injection.needs)]

    async def run(ctx: Context) -> Any:
        arguments, *for_needs = await _read(ctx, reads)
        early, late = Teardown(ctx), Teardown(ctx)
        try:
            values: list[Any] = []
            for need, given in zip(injection.needs, for_needs, strict=True):
                for name, place in need.inputs:
                    given[name] = values[place]
                values.append(await _value(ctx, need, given, early, late))
            for name, place in injection.inputs:
                arguments[name] = values[place]
            result = await call(ctx, arguments)
            if ctx.exchange.interrupt is not None:
                ctx.exchange.check()  # A `def` may end without a use of `ctx` that told it.
            if answer is not None:
                result = answer(ctx, result)
            if result is not None and (begun := put_routed(ctx, result)) is not None:
                await begun
            # Else an iterator uses it until it was sent, or a thread that the handler gave up.
            if ctx.items is None and not ctx.still_running():
                await early.run(None)
        except BaseException as exc:
            # What a thread still uses is given back behind the answer, which does not wait for it.
            if ctx.items is None and not ctx.still_running():
                exc = await _given_back(early, exc)
            if early or late:
                ctx.held = HeldUntilSent(ctx.link, early, late, exc)
            raise exc from exc.__cause__
        if early or late:
            ctx.held = HeldUntilSent(ctx.link, early, late, None)

    return run


async def _read(ctx: Context, reads: Iterable[Read]) -> list[dict[str, Any]]:
    """Return the arguments of the handler, and behind them those of each dependency, as far as the
    request gives them. Raise Invalid for every fault at once."""
    faults: list[Fault] = []
    found = [await read(ctx, faults) for read in reads]
    if faults:
        raise Invalid(dict.fromkeys(faults))
    return found


async def _given_back(teardown: Teardown, exc: BaseException) -> BaseException:
    """Give back, and return what is to be raised: what came out of that, or the failure itself."""
    try:
        await teardown.run(exc)
    except BaseException as instead:  # noqa: BLE001  # the caller raises it
        return instead
    return exc


async def _value(
    ctx: Context, need: Need, arguments: dict[str, Any], early: Teardown, late: Teardown
) -> Any:
    func = need.dependency.func
    if need.dependency.scope == "app":
        return value_of(func)
    if need.is_generator:
        given = Given(func(**arguments), need.where, inline=need.dependency.inline)
        value = await given.value(ctx)
        (late if need.dependency.scope == "response" else early).add(given)
        return value
    if need.is_coroutine:
        return await func(**arguments)
    if need.dependency.inline:
        return func(**arguments)
    return await ctx.run_handler(lambda _: func(**arguments))
