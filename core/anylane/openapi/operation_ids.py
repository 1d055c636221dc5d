"""Operation ids: the names of operations in generated clients, the same in every run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, count

from anylane.errors import UsageError
from anylane.routing.route import Route


class OperationIds:
    """Gives each operation of a document a name of its own.

    routes: all of the document. Raise UsageError if a name was given to two of them.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._taken: dict[str, Route] = {}
        for route in routes:
            if (given := route.documentation.operation_id) is None:
                continue
            for name in _for_methods(given, route):
                if name in self._taken:
                    raise UsageError(
                        f"operation_id {given!r} of {route.where} is that of "
                        f"{self._taken[name].where} already; give it another one"
                    )
                self._taken[name] = route

    def of(self, route: Route, method: str, template: str) -> str:
        """Return the name of an operation: the one that was given, or that of the route.

        Where another operation has that, the method and the path stand behind it, so it stays the
        same when routes are added elsewhere.
        """
        if route.documentation.operation_id is not None:
            return _name(route.documentation.operation_id, route, method)
        plain = _name(re.sub(r"\W+", "_", route.name).strip("_") or "operation", route, method)
        longer = re.sub(r"[\W_]+", "_", f"{plain}_{method.lower()}_{template}").strip("_")
        numbered = (f"{longer}_{number}" for number in count(2))
        found = next(each for each in chain((plain, longer), numbered) if each not in self._taken)
        self._taken[found] = route
        return found


def _name(name: str, route: Route, method: str) -> str:
    """Return the name for one of the methods of a route."""
    return f"{name}_{method.lower()}" if len(route.methods) > 1 else name


def _for_methods(name: str, route: Route) -> list[str]:
    return [_name(name, route, method) for method in sorted(route.methods or {"GET"})]
