"""Dependencies of the app: made when a server starts, and given back when it stops."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from anylane.callables import location
from anylane.errors import UsageError
from anylane.lane.life.lifespan import Phase, Step
from anylane.typed.dependencies.depends import Dependency, key_of
from anylane.typed.dependencies.need import Need
from anylane.typed.plan import Plan
from anylane.typed.signature import parameters_of
from anylane.typed.sources import State

if TYPE_CHECKING:
    from anylane.routing.base_app import BaseApp
    from anylane.routing.route import Route

Overrides = Mapping[Callable[..., Any], Callable[..., Any]]

_END = object()

_values: ContextVar[dict[Any, Any]] = ContextVar("anylane_app_values")
"""What the dependencies of the app gave in the server that runs in this context."""


def value_of(func: Callable[..., Any]) -> Any:
    """Return what a dependency of the app gave when the server started."""
    try:
        return _values.get()[key_of(func)]
    except LookupError:
        raise UsageError(
            f"{location(func)} has the scope 'app'; it is made when a server starts, and none has "
            "started here"
        ) from None


def steps_of(app: BaseApp, routes: Iterable[Route], overrides: Overrides) -> list[Step]:
    """Return what a server does at its start for the dependencies of its routes; nothing if there
    are none of this scope. overrides: `app.dependency_overrides`, which are asked at the start."""
    needs = {
        key_of(need.original): (
            need,
            next((each.app for each in route.hooks[::-1] if each.app), app),
        )
        for route in routes
        if route.plan is not None
        for need in route.plan.needs
        if need.dependency.scope == "app"
    }
    return [(Phase.AROUND, partial(_made, tuple(needs.values()), overrides))] if needs else []


@asynccontextmanager
async def _made(
    needs: tuple[tuple[Need, BaseApp], ...], overrides: Overrides
) -> AsyncGenerator[None]:
    values: dict[Any, Any] = {}
    token = _values.set(values)
    given: list[tuple[str, Any]] = []
    try:
        for need, app in needs:
            key = key_of(need.original)
            if key in overrides:
                continue
            for _, func in need.of_the_app:
                if key_of(func) not in values:  # Another one stands in its place.
                    instead = _instead(func, overrides[func], need)
                    values[key_of(func)] = await _value(instead, app, values, given)
            values[key] = await _value(need, app, values, given)
        yield
    finally:
        try:
            await _give_back(given)
        finally:
            _values.reset(token)


def _instead(func: Callable[..., Any], override: Callable[..., Any], needed_by: Need) -> Need:
    """Return what makes the value of an override for a dependency of the app. Raise UsageError if
    it needs something that there is only for a request."""
    where = location(override)
    parameters = parameters_of(override, names={}, body=False, where=where)
    for each in parameters:
        if each.where != State.where:
            raise UsageError(
                f"{where} stands for a dependency of the app that {needed_by.where} needs when the "
                f"server starts, and its parameter {each.name!r} is of the {each.where}; override "
                f"{needed_by.where}, too"
            )
    return Need(
        Dependency(override, "app", inline=True), func, Plan(parameters, {}, where), (), (), where
    )


async def _value(
    need: Need, app: BaseApp, values: dict[Any, Any], given: list[tuple[str, Any]]
) -> Any:
    arguments = need.plan.without_request(app)
    arguments.update((name, values[key_of(func)]) for name, func in need.of_the_app)
    result = need.dependency.func(**arguments)
    if need.is_coroutine:
        return await result
    if not need.is_generator:
        return result
    found = await anext(result, _END) if isinstance(result, AsyncGenerator) else next(result, _END)
    if found is _END:
        raise UsageError(f"{need.where} has ended without a yield; expected one")
    given.append((need.where, result))
    return found


async def _give_back(given: list[tuple[str, AsyncIterator[Any] | Iterator[Any]]]) -> None:
    failure: BaseException | None = None
    for where, items in reversed(given):
        try:
            if isinstance(items, AsyncIterator):
                found = await anext(items, _END)
            else:
                found = next(items, _END)
            if found is not _END:
                raise UsageError(f"{where} has a second yield; expected one")
        except BaseException as exc:  # noqa: BLE001  # the user's; the others have their turn
            failure = exc
    if failure is not None:
        raise failure
