"""Prefixes: whose hooks a path belongs to where no route answers it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from anylane.routing.converters import Kind
from anylane.routing.hooks import Hooks
from anylane.routing.pattern import Pattern
from anylane.routing.pattern_syntax import Segment, decode_segment
from anylane.routing.route import Route


class Unrouted(NamedTuple):
    """What a request without a route has instead: the hooks of the routers that its path lies
    below, outermost first, and the methods that its path has."""

    hooks: tuple[Hooks, ...]
    allow: tuple[str, ...]


class Prefixes:
    """The routers with a prefix, and their hooks."""

    __slots__ = ("_found", "_outermost")

    def __init__(self, outermost: Hooks, routes: Iterable[Route]) -> None:
        self._outermost = outermost
        self._found: list[tuple[tuple[Segment, ...], Hooks]] = []
        seen: set[tuple[str, int]] = set()
        for route in routes:
            for prefix, hooks in zip(route.prefixes, route.hooks, strict=True):
                # The hooks of a router without a prefix belong to its routes and to nothing else.
                if prefix and (prefix, id(hooks)) not in seen:
                    seen.add((prefix, id(hooks)))
                    self._found.append((Pattern.parse(prefix).segments, hooks))
        self._found.sort(key=lambda found: len(found[0]))  # The outermost come first.

    def above(self, path: str) -> tuple[Hooks, ...]:
        """Return the hooks of the routers that a path lies below, outermost first.

        path: percent-encoded, as it came.
        """
        found = [self._outermost]
        if self._found:
            parts = [decode_segment(part) for part in path.split("/")[1:]]
            found += [hooks for segments, hooks in self._found if _begins(parts, segments)]
        return tuple(dict.fromkeys(found))


def _begins(parts: list[str | None], segments: tuple[Segment, ...]) -> bool:
    return len(parts) >= len(segments) and all(map(_fits, parts, segments))


def _fits(part: str | None, segment: Segment) -> bool:
    if part is None or segment.kind is Kind.STATIC:
        return part == segment.text
    return segment.read(part) is not None
