"""What a request is answered with: its route, or the reason why it has none.

1. The path decides first, the method afterwards: `POST /u/me` is 405 if there is a `GET /u/me`,
   whatever else would match the path.
2. A route whose guard says no is not there for that request. It is not found, and Allow does not
   list its methods.
3. This file only reads routes. It knows no request, no response, and writes no status.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from anylane.errors import RouteError
from anylane.routing.patterns.matcher import Matcher
from anylane.routing.route import Route


class Found(NamedTuple):
    """A route to call. A tuple, because one is made for every request."""

    route: Route
    """The route."""
    params: dict[str, Any]
    """The parameters of its pattern, by name."""


_found = tuple.__new__
"""What a NamedTuple's own `__new__` calls, which is Python code."""

Guard: TypeAlias = Callable[[Found], object]
"""Decides on routes with `when`. Without a guard such routes are not there."""


class Place(NamedTuple):
    """Where a route is found."""

    path: str
    """Percent-encoded."""
    host: str | None
    """The pattern of its host. None for any."""
    websocket: bool
    """Whether nothing but a WebSocket is there."""


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The path is right and the method is not: 405 with `Allow` (RFC 9110 §15.5.6)."""

    allow: tuple[str, ...]
    """The methods of the path, sorted."""


@dataclass(frozen=True, slots=True)
class Options:
    """The request is OPTIONS and has no handler: 204 with `Allow` (RFC 9110 §9.3.7)."""

    allow: tuple[str, ...]
    """The methods of the path, sorted."""


@dataclass(frozen=True, slots=True)
class UpgradeRequired:
    """The path has a WebSocket and no GET: 426 with `Upgrade: websocket`.

    RFC 9110 §15.5.22.
    """


Resolution: TypeAlias = Found | NotAllowed | Options | UpgradeRequired | None
"""What a request is answered with. None says that there is no such path: 404."""


class _Endpoint:
    """All routes with one pattern, and one host."""

    __slots__ = ("guarded", "plain", "routes", "serving", "where")

    def __init__(self, where: str) -> None:
        self.where = where
        self.routes: list[Route] = []
        self.serving: dict[str, tuple[Route, ...]] = {}
        """By method, in the order to be tried: guarded ones as registered, then the other one."""
        self.plain: dict[str, Route] = {}
        """By method, HEAD from GET included; of use if nothing is guarded."""
        self.guarded = False

    def add(self, route: Route) -> None:
        """Add a route. Raises RouteError if another one answers the same requests."""
        self._check(route)
        self.routes.append(route)
        self.routes.sort(key=lambda each: each.when is None)
        self.guarded = self.guarded or route.when is not None
        methods = {method for each in self.routes for method in each.methods}
        self.serving = {method: self._serving(method) for method in methods | {"HEAD"}}
        self.plain = {method: routes[0] for method, routes in self.serving.items() if routes}

    def websockets(self) -> Iterator[Route]:
        """Return the routes of WebSockets."""
        return (route for route in self.routes if route.websocket)

    def answer(self, method: str, params: dict[str, Any], guard: Guard | None) -> Resolution:
        """Return what the request is answered with, None if guards leave nothing of this."""
        candidates = self.serving.get(method, ())
        for route in candidates:
            found = Found(route, params)
            if _admits(guard, found):
                return found
        left = [
            route
            for route in self.routes
            if route not in candidates and _admits(guard, Found(route, params))
        ]
        return _refusal(method, left) if left else None

    def _serving(self, method: str) -> tuple[Route, ...]:
        """Return the routes for a method, in the order in which they are tried."""
        found = tuple(route for route in self.routes if method in route.methods)
        return found + self._serving("GET") if method == "HEAD" else found

    def _check(self, route: Route) -> None:
        """Raise RouteError if another route without a guard answers the same requests."""
        if route.when is not None:
            return
        for other in self.routes:
            if other.when is not None:
                continue
            shared = sorted(route.methods & other.methods)
            if route.websocket and other.websocket:
                shared = ["WebSocket"]
            if shared:
                raise RouteError(
                    f"{', '.join(shared)} {route.pattern.text!r} of {route.where} is registered "
                    f"already, by {other.where}; remove one, or give one a guard with when="
                )


class RouteTable:
    """The routes of an app, for requests to be looked up in.

    Build it from a list, or `add` them one by one. A table in which requests are looked up must not
    be changed any more.
    """

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._routes: list[Route] = []
        self._anywhere: Matcher[_Endpoint] = Matcher()
        self._hosts: dict[str, Matcher[_Endpoint]] = {}
        """By host; '.example.com' stands for '*.example.com'."""
        self._named: dict[str, list[Route]] = {}
        for route in routes:
            self.add(route)

    @property
    def routes(self) -> list[Route]:
        """All routes, in order of registration."""
        return list(self._routes)

    @property
    def by_host(self) -> bool:
        """Whether the host decides anything. If not, it need not be read from the request."""
        return bool(self._hosts)

    def allow(self) -> tuple[str, ...]:
        """Return the methods that any route has, for `OPTIONS *` (RFC 9110 §9.3.7)."""
        return _allow(self._routes)

    def add(self, route: Route) -> None:
        """Add a route.

        Raises RouteError, which names both places, if *route* cannot be told from another one.
        """
        matcher = self._anywhere
        if route.host is not None:
            matcher = self._hosts.setdefault(route.host.removeprefix("*"), Matcher())
        matcher.add(route.pattern, _Endpoint(route.where)).add(route)
        self._routes.append(route)
        self._named.setdefault(route.name, []).append(route)

    def resolve(
        self, method: str, path: str, host: str | None = None, *, guard: Guard | None = None
    ) -> Resolution:
        """Return what a request is answered with.

        path: the raw, percent-encoded path.
        host: the value of the Host header.
        guard: asked for each route with `when` that comes into question.
        """
        # Hot path: one dict lookup by path, or by all of it before its last segment, and one by
        # method; nothing is allocated but the result.
        if not self._hosts:
            endpoint = self._anywhere.static.get(path)
            if endpoint is not None and not endpoint.guarded:
                route = endpoint.plain.get(method)
                return _found(Found, (route, {})) if route else _refusal(method, endpoint.routes)
            only = self._anywhere.find_only(path) if endpoint is None else None
            if only is not None and not only[0].guarded:
                endpoint, params = only
                route = endpoint.plain.get(method)
                return (
                    _found(Found, (route, params)) if route else _refusal(method, endpoint.routes)
                )

        for endpoint, params in self._endpoints(path, host):
            if not endpoint.guarded:
                route = endpoint.plain.get(method)
                return Found(route, params) if route else _refusal(method, endpoint.routes)
            answer = endpoint.answer(method, params, guard)
            if answer is not None:
                return answer
        return None

    def resolve_websocket(
        self, path: str, host: str | None = None, *, guard: Guard | None = None
    ) -> Found | None:
        """Return the WebSocket route for a handshake.

        None says: answer it as the plain GET that it also is, by `resolve`. RFC 9110 §7.8 allows a
        server to ignore Upgrade.
        """
        for endpoint, params in self._endpoints(path, host):
            for route in endpoint.websockets():
                found = Found(route, params)
                if _admits(guard, found):
                    return found
            if any(
                not route.websocket and _admits(guard, Found(route, params))
                for route in endpoint.routes
            ):
                return None
        return None

    def has_name(self, name: str) -> bool:
        """Return whether a route has that name."""
        return name in self._named

    def path_for(self, name: str, /, **params: object) -> str:
        """Return the percent-encoded path of the route called *name* with just these parameters.

        Raises RouteError if there is no such route or more than one, and for a value that does not
        fit.
        """
        return self._one_called(name, params).pattern.format(**params)

    def place_of(self, name: str, /, **params: object) -> Place:
        """Return the same path with its host.

        Raises RouteError as `path_for` does, and if the routes of that name have several hosts.
        """
        pattern = self._one_called(name, params).pattern
        routes = [each for each in self._named[name] if str(each.pattern) == str(pattern)]
        hosts = {each.host for each in routes}
        if len(hosts) > 1:
            choices = ", ".join(f"{each.host or 'any'} of {each.where}" for each in routes)
            raise RouteError(
                f"the routes called {name!r} are for several hosts: {choices}; give them names "
                "with name="
            )
        websocket = all(each.websocket for each in routes)
        return Place(pattern.format(**params), hosts.pop(), websocket)

    def _one_called(self, name: str, params: dict[str, object]) -> Route:
        """Return the route of that name that takes these parameters."""
        named = {str(route.pattern): route for route in self._named.get(name, ())}
        if not named:
            raise RouteError(f"there is no route called {name!r}")
        if len(named) > 1:
            wanted = {
                text: route
                for text, route in named.items()
                if set(route.pattern.names) == {*params}
            }
            if len(wanted) != 1:
                choices = ", ".join(f"{text!r} of {route.where}" for text, route in named.items())
                raise RouteError(
                    f"{len(wanted)} of the routes called {name!r} take the parameters "
                    f"{sorted(params)}, expected one: {choices}; give them names with name="
                )
            named = wanted
        (route,) = named.values()
        return route

    def _endpoints(self, path: str, host: str | None) -> Iterator[tuple[_Endpoint, dict[str, Any]]]:
        """Yield the endpoints whose pattern and host match, most specific first."""
        if not self._hosts or host is None:
            return self._anywhere.find_all(path)
        matchers = (self._hosts[key] for key in _host_keys(host) if key in self._hosts)
        return chain.from_iterable(
            matcher.find_all(path) for matcher in chain(matchers, (self._anywhere,))
        )


def _allow(routes: Iterable[Route]) -> tuple[str, ...]:
    """Return the methods of *routes* for an Allow header, sorted (RFC 9110 §10.2.1)."""
    methods = {"OPTIONS"}
    for route in routes:
        methods |= {"GET"} if route.websocket else route.methods
    if "GET" in methods:
        methods.add("HEAD")
    return tuple(sorted(methods))


def _refusal(method: str, routes: Iterable[Route]) -> NotAllowed | Options | UpgradeRequired:
    """Return why none of *routes*, which all have the path, answers the method."""
    if method == "OPTIONS":
        return Options(_allow(routes))
    if method in ("GET", "HEAD") and any(route.websocket for route in routes):
        return UpgradeRequired()
    return NotAllowed(_allow(routes))


def _admits(guard: Guard | None, found: Found) -> object:
    """Return whether the route has no guard, or one that says yes."""
    return found.route.when is None or (guard is not None and guard(found))


_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")


def parse_host(text: str) -> str:
    """Return a host pattern in lower case.

    It is 'api.example.com', '[::1]', or '*.example.com', which stands for any number of labels but
    not for 'example.com' itself. Raises RouteError for anything else.
    """
    host = text.lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        raise RouteError(
            f"host is {text!r}; expected 'api.example.com' or '*.example.com', without a port "
            f"(ports are ignored), names outside ASCII as 'xn--...'"
        )
    return host


def _host_keys(host: str) -> Iterator[str]:
    """Yield the keys under which *host* can be registered, the most specific first."""
    name = host.lower()
    if not name.endswith("]"):
        start, colon, port = name.rpartition(":")
        name = start if colon and (port.isdigit() or not port) else name
    name = name.removesuffix(".")
    # RFC 1035 §2.3.4 allows 255 bytes. This also bounds the loop.
    if len(name) > 255:
        return
    yield name
    while (dot := name.find(".", 1)) > 0:
        name = name[dot:]
        yield name
