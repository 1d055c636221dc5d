"""Mounted: where an App answers, by itself or inside of the App that it is mounted in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from anylane.errors import RouteError
from anylane.routing.hooks import Hooks
from anylane.routing.patterns.pattern import Pattern
from anylane.routing.route import Route
from anylane.routing.route_table import Place

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
        prefix, app, rest = self._named(name, params, known)
        return prefix + app.path_for(name, **rest)

    def place_of(
        self, name: str, params: Mapping[str, object], known: Mapping[str, object]
    ) -> Place:
        """Return the same path with the host of its route. Raise RouteError as `path_for` does, and
        if routes of that name have several hosts."""
        prefix, app, rest = self._named(name, params, known)
        place = app.place_of(name, **rest)
        return place._replace(path=prefix + place.path)

    def _named(
        self, name: str, params: Mapping[str, object], known: Mapping[str, object]
    ) -> tuple[str, BaseApp, dict[str, object]]:
        """Return what the path of a route begins with, its App, and its own parameters."""
        for place in self.outward():
            if place.app.has_name(name):
                if not place.prefix:
                    return "", place.app, {**params}
                prefix = Pattern.parse(place.prefix)
                own = {each: params.get(each, known.get(each)) for each in prefix.names}
                rest = {each: value for each, value in params.items() if each not in own}
                return prefix.format(**own), place.app, rest
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
