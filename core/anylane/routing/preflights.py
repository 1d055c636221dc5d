"""CORS preflights of routes: OPTIONS requests that no route answers, but that are about one.

The hooks of a route, and of a router without a prefix, see requests to their routes only. A part
that answers preflights says so by `answers_preflights`, and sees those about its routes too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from anylane.routing.hooks import Hook, Hooks

if TYPE_CHECKING:
    from anylane.http.request import Request
    from anylane.routing.route import Route


class Preflights:
    """The parts that answer preflights about a route and would not see them by their place."""

    __slots__ = ("_found",)

    def __init__(self, routes: Iterable[Route], outermost: Hooks) -> None:
        self._found: dict[Route, Hooks] = {}
        for route in routes:
            inner = [
                hook.func
                for prefix, level in zip(route.prefixes, route.hooks, strict=True)
                if not prefix and level is not outermost
                for hook in sorted(level.parts)
            ]
            parts = [each for each in (*inner, *route.middleware) if _answers(each)]
            if parts:
                self._found[route] = hooks = Hooks()
                hooks.parts += [Hook(index, index, part) for index, part in enumerate(parts)]

    def __bool__(self) -> bool:
        return bool(self._found)

    def of(self, route: Route) -> tuple[Hooks, ...]:
        """Return the hooks that preflights about this route pass, behind those of their path."""
        found = self._found.get(route)
        return () if found is None else (found,)


def asked_method(request: Request) -> str:
    """Return the method that an OPTIONS request is about, if it is a preflight; else ""."""
    headers = request.headers
    if "origin" not in headers:
        return ""
    return headers.get("access-control-request-method", "")


def _answers(part: object) -> bool:
    return getattr(part, "answers_preflights", False) is True
