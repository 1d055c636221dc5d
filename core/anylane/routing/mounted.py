"""Mounted: where an App answers, by itself or inside of the App that it is mounted in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from anylane.errors import RouteError
from anylane.routing.hooks import Hooks
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.route import Route

if TYPE_CHECKING:
    from anylane.routing.base_app import BaseApp


class Level(NamedTuple):
    """The hooks of one router, and where it is."""

    hooks: Hooks
    """Its hooks."""
    prefix: str
    """What the paths below it begin with, as a pattern."""


class Group(NamedTuple):
    """The hooks of one App and of its routers, outermost first, for one route."""

    mounted: Mounted
    """Where that App is."""
    hooks: tuple[Hooks, ...]
    """The hooks."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """Where one App answers: below a prefix, inside of another one or by itself."""

    app: BaseApp
    """The App."""
    prefix: str = ""
    """What the paths of its routes begin with, as a pattern; empty for the one that is served."""
    outer: Mounted | None = None
    """Where the App is that this one is mounted in; None for the one that is served."""

    def outward(self) -> Iterator[Mounted]:
        """Yield this one and all that are around it, the innermost first."""
        place: Mounted | None = self
        while place is not None:
            yield place
            place = place.outer

    @property
    def outermost(self) -> Mounted:
        """Return where the App is that is served."""
        *_, last = self.outward()
        return last

    @property
    def json_default(self) -> Any:
        """Return what the innermost App that has one makes of a value without a form in JSON."""
        found = (place.app.json_default for place in self.outward())
        return next((each for each in found if each is not None), None)

    def path_for(self, name: str, params: Mapping[str, object], known: Mapping[str, object]) -> str:
        """Return the path of a route of this App, else of the App around it, and so on.

        known: parameters of the prefix that are not among `params`. Raise RouteError where no App
        has a route of that name, and for parameters that it does not take.
        """
        return self.place_of(name, params, known)[0]

    def place_of(
        self, name: str, params: Mapping[str, object], known: Mapping[str, object]
    ) -> tuple[str, str | None, bool]:
        """Return the path that `path_for` returns, the host of its router, None for any, and
        whether it is a WebSocket. Raise RouteError as that, and if the routes of that name have
        several hosts."""
        for place in self.outward():
            if place.app.has_name(name):
                if not place.prefix:
                    return place.app.place_of(name, **params)
                prefix = Pattern.parse(place.prefix)
                own = {each: params.get(each, known.get(each)) for each in prefix.names}
                rest = {each: value for each, value in params.items() if each not in own}
                path, host, websocket = place.app.place_of(name, **rest)
                return prefix.format(**own) + path, host, websocket
        raise RouteError(f"there is no route called {name!r}")


def levels_of(route: Route) -> Iterator[Level]:
    """Yield the hooks of the routers that a route is a part of, outermost first."""
    return map(Level, route.hooks, route.prefixes)


def groups_of(served: BaseApp, levels: Iterable[Level]) -> list[Group]:
    """Return the hooks of a route by the App that they belong to, outermost first.

    served: the outermost one. levels: all of them, outermost first.
    """
    groups = [Group(Mounted(served), ())]
    for hooks, prefix in levels:
        inmost, before = groups[-1]
        if hooks.app is not None and hooks.app is not inmost.app:
            groups.append(Group(Mounted(hooks.app, prefix, inmost), (hooks,)))
        else:
            groups[-1] = Group(inmost, (*before, hooks))
    return groups
